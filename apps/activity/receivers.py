"""What activity hears from below: a sign-out ends the live feeds of its session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from apps.activity.live import session_group, tell


@receiver(user_logged_out, dispatch_uid="activity.end_feeds")
def end_feeds(request: HttpRequest, **_: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key:
        tell(session_group(key), {"type": "auth.revoked"})
