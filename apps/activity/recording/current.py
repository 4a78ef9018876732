"""The content policy that holds, asked of the database."""

from __future__ import annotations

from apps.activity.models import ContentPolicy
from apps.activity.recording.policy import Policy


def current_policy() -> Policy:
    """The newest version; one query. Without any everything is recorded."""
    newest = ContentPolicy.objects.first()
    return newest.policy if newest is not None else Policy()
