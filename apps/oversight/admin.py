"""Oversight on the administration site: to look at."""

from django.contrib import admin

from apps.identity.admin import LookOnly
from apps.oversight.models import BreakerTrip, Decision, Drill, EnforcementPoint, KillSwitch, ToolPolicy


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


@admin.register(KillSwitch)
class KillSwitchAdmin(LookOnly):
    list_display = ("scope", "team", "target", "pulled_by", "pulled_at", "released_at")
    list_filter = ("scope",)
    list_select_related = ("team", "pulled_by")


@admin.register(EnforcementPoint)
class EnforcementPointAdmin(LookOnly):
    list_display = ("name", "kind", "principal", "last_seen_at")
    list_filter = ("kind",)
    list_select_related = ("principal",)


@admin.register(Drill)
class DrillAdmin(LookOnly):
    list_display = ("agent", "started_at", "started_by", "passed")
    list_filter = ("passed",)
    list_select_related = ("agent", "started_by")
