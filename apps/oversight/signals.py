"""What oversight tells whoever stands above it."""

from django.dispatch import Signal

breaker_changed = Signal()
"""Sent inside the transaction with `agent` and `trip` when a breaker trips or is reset."""

approval_changed = Signal()
"""Sent inside the transaction with `approval` and `what` became of it when an approval changes."""

drill_finished = Signal()
"""Sent inside the transaction with `drill` when a drill of a stop has ended, passed or not."""

definition_held = Signal()
"""Sent inside the transaction with `definition` when an MCP server offers a tool otherwise than it was pinned."""

definition_judged = Signal()
"""Sent inside the transaction with `definition` and `actor` when a person approved or refused it."""
