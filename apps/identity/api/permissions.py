"""One gate before every endpoint: the view names the permission, the actor's access answers."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.identity.access import access_of, not_permitted
from apps.identity.api.actor import actor_of
from apps.identity.models import Principal
from apps.kit.errors import NotSignedIn


class SignedIn(BasePermission):
    """Anybody known."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, Principal):
            raise NotSignedIn("Present an API key, or sign in.")
        return True


class RequiresPermission(SignedIn):
    """The view's `permissions` maps a method (or a viewset's action) to the permission it needs, or to several of which
    one is enough.

    A view without an entry for the method answers 403 to everybody: nothing is open by omission. Holding
    the permission for any team is enough here; which objects it reaches is decided by `.visible_to` and
    by the service.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        super().has_permission(request, view)
        table: dict[str, str | tuple[str, ...]] = getattr(view, "permissions", {})
        needed = table.get(getattr(view, "action", None) or "") or table.get(str(request.method)) or ()
        if request.method == "OPTIONS" or request.method not in view.allowed_methods:
            return True  # the framework answers 405
        any_of = (needed,) if isinstance(needed, str) else needed
        access = access_of(actor_of(request))
        if not any(access.allows_somewhere(one) for one in any_of):
            raise not_permitted(any_of[0] if any_of else "(none is enough)")
        return True
