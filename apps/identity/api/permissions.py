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
    """The view's `permissions` maps a method (or a viewset's action) to the permission it needs.

    A view without an entry for the method answers 403 to everybody: nothing is open by omission. Holding
    the permission for any team is enough here; which objects it reaches is decided by `.visible_to` and
    by the service.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        super().has_permission(request, view)
        table: dict[str, str] = getattr(view, "permissions", {})
        permission = table.get(getattr(view, "action", None) or "") or table.get(str(request.method))
        if request.method == "OPTIONS" or request.method not in view.allowed_methods:
            return True  # the framework answers 405
        if permission is None or not access_of(actor_of(request)).allows_somewhere(permission):
            raise not_permitted(permission or "(none is enough)")
        return True
