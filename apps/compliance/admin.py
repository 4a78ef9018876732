"""Frameworks and controls, which an administrator edits here; the rest is to look at."""

from __future__ import annotations

from django.contrib import admin

from apps.compliance.models import Certification, Control, Finding, Framework
from apps.identity.admin import LookOnly


class ControlInline(admin.TabularInline):
    model = Control
    extra = 0


@admin.register(Framework)
class FrameworkAdmin(admin.ModelAdmin):
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
