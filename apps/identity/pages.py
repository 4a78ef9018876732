"""The gate before every page: signed in, and allowed to open it at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.identity.access import require_somewhere
from apps.identity.models import Principal

View = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """A request that has passed the gate: `actor` is the signed-in person's principal."""

    actor: Principal


def page(permission: str | None = None) -> Callable[[View], View]:
    """Let signed-in people pass who hold `permission` somewhere; others sign in or are told what is missing."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if getattr(request, "actor", None) is None:
                return redirect_to_login(request.get_full_path())
            if permission is not None:
                require_somewhere(request.actor, permission)
            return view(request, *args, **kwargs)

        guarded.page_permission = permission  # type: ignore[attr-defined]
        return guarded

    return guard
