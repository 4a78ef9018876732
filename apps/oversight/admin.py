"""Oversight on the administration site: to look at."""

from django.contrib import admin

from apps.identity.admin import LookOnly
from apps.oversight.models import BreakerTrip, Decision, ToolPolicy


@admin.register(ToolPolicy)
class ToolPolicyAdmin(LookOnly):
    list_display = ("agent", "version", "updated_by", "updated_at")
    list_select_related = ("agent", "updated_by")


@admin.register(Decision)
class DecisionAdmin(LookOnly):
    list_display = ("agent", "tool_name", "outcome", "code", "decided_at")
    list_filter = ("outcome", "code")
    list_select_related = ("agent",)


@admin.register(BreakerTrip)
class BreakerTripAdmin(LookOnly):
    list_display = ("agent", "cause", "violations", "tripped_at", "reset_at")
    list_select_related = ("agent",)
