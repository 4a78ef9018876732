"""Compliance to look at; pages and REST change it, through services that record who did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from apps.compliance.models import Certification, Control, Finding, Framework
from apps.identity.admin import LookOnly


class ControlInline(admin.TabularInline):
    model = Control
    extra = 0

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False


@admin.register(Framework)
class FrameworkAdmin(LookOnly):
    list_display = ("name", "key", "edition", "is_active")
    inlines = [ControlInline]


@admin.register(Certification)
class CertificationAdmin(LookOnly):
    list_display = ("agent", "framework", "status", "tier", "certified_by", "expires_at")
    list_filter = ("status", "framework")
    list_select_related = ("agent", "framework", "certified_by")


@admin.register(Finding)
class FindingAdmin(LookOnly):
    list_display = ("title", "agent", "kind", "severity", "status", "opened_at")
    list_filter = ("kind", "severity", "status")
    list_select_related = ("agent",)
