"""What oversight tells whoever stands above it."""

from django.dispatch import Signal

breaker_changed = Signal()
"""Sent inside the transaction with `agent` and `trip` when a breaker trips or is reset."""

approval_changed = Signal()  # approval, what
