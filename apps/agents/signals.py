"""What the registry tells whoever stands above it."""

from django.dispatch import Signal

agents_discovered = Signal()
"""Sent inside the transaction with `agents: list[Agent]` that telemetry showed for the first time."""

agent_changed = Signal()
"""Sent inside the transaction with `agent` (locked), `actor` and `fields: set[str]` after an act changed one."""

agents_changed = Signal()
"""Sent inside the transaction with `changes: dict[Agent, set[str]]` (locked) and `actor` after one act changed many. A
change is told by this or by `agent_changed`, never by both: whoever follows changes listens to the two, and here takes
few queries whatever their number."""

agent_version_began = Signal()
"""Sent inside the transaction with `version` and `changes`, sentences of what differs from the one before."""

owners_reminded = Signal()
"""Sent inside the transaction with `campaign`, `agents_by_person: dict[Principal, list[Agent]]` and `is_late`."""

instances_joined = Signal()
"""Sent inside the transaction with `blueprint` (locked), `agents: list[Agent]` that became its instances, and `actor`; a
receiver answers with sentences by agent id on what an instance was not given, or None."""

merge_asked = Signal()
"""Sent with `kept` and `merged` (locked) before a merge; a receiver answers with a sentence where it would free `merged` of
something, or ''."""

coverage_asked = Signal()
"""Sent with `tiers: dict[agent id, tier]`; a receiver answers with the ids of those that hold no certification which
covers that tier."""
