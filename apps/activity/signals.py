"""What activity tells whoever stands above it."""

from django.dispatch import Signal

calls_recorded = Signal()
"""Sent inside the pipeline's transaction with `calls: list[ToolCall]`, new or changed, each with an agent.

Receivers answer by `apps.activity.services.record_verdicts`; what nobody objects to becomes allowed.
"""

outcome_shifted = Signal()
"""Sent inside the transaction with `agent`, `shift` (apps.activity.outcomes.measures.Shift) and `is_recovered`, for each change
of what an agent's runs come to, for the worse or the better."""

oversight_load_asked = Signal()
"""Sent with `agent`, `since` and `until` (dates); a receiver answers with {day: how often a person was asked or told}."""
