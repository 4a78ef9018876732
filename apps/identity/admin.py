"""The administration site's view of identity. What has consequences is done by services, not here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.identity.models import (
    ApiKey,
    LedgerCheckpoint,
    LedgerEntry,
    Person,
    Principal,
    RoleAssignment,
    Team,
)

admin.site.unregister(Group)
admin.site.site_header = "Chancery administration"
admin.site.site_title = "Chancery"


def one_door(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    """The administration site has no sign-in of its own: limits and changes of passwords live at ours."""
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


admin.site.login = one_door  # type: ignore[method-assign,assignment]


class LookOnly(admin.ModelAdmin):
    """May be looked at, never changed: its own service, page or REST endpoint does that and records it."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Principal)
class PrincipalAdmin(LookOnly):
    list_display = ("name", "kind", "team", "is_active", "created_at")
    list_filter = ("kind", "is_active")
    search_fields = ("name",)


@admin.register(Person)
class PersonAdmin(LookOnly):
    list_display = ("email", "name", "job_title", "is_active", "last_login")
    search_fields = ("email", "principal__name")
    list_select_related = ("principal",)
    exclude = ("password",)


@admin.register(Team)
class TeamAdmin(LookOnly):
    list_display = ("name", "parent", "created_at")


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(LookOnly):
    list_display = ("principal", "role", "team", "created_at")
    list_filter = ("role",)
    list_select_related = ("principal", "team")


@admin.register(ApiKey)
class ApiKeyAdmin(LookOnly):
    list_display = ("name", "prefix", "principal", "scopes", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("principal",)
    exclude = ("secret_hash",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(LookOnly):
    list_display = ("id", "at", "action", "target_type", "target_id")
    list_filter = ("action",)
    exclude = ("body",)


@admin.register(LedgerCheckpoint)
class LedgerCheckpointAdmin(LookOnly):
    list_display = ("tree_size", "signed_at")
    exclude = ("root_hash", "peaks")
