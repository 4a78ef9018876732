"""What compliance tells whoever stands above it."""

from django.dispatch import Signal

certification_issued = Signal()
"""Sent inside the transaction with `certification` and `actor`."""

certification_ended = Signal()
"""Sent inside the transaction with `certification`: expired, revoked or superseded."""
