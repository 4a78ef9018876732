"""What activity tells whoever stands above it."""

from django.dispatch import Signal

calls_recorded = Signal()
"""Sent inside the pipeline's transaction with `calls: list[ToolCall]`, new or changed, each with an agent.

Receivers answer by `apps.activity.services.record_verdicts`; what nobody objects to becomes allowed.
"""
