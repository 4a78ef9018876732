from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.oversight.api import (
    approvals,
    blueprints,
    breaker,
    control,
    drills,
    enforcement,
    gateway,
    kill_switches,
    limits,
    policies,
    upstreams,
    views,
)

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("decisions", views.DecisionViewSet, "decisions")
router.register("policies", policies.PolicyViewSet, "policies")
router.register("approvals", approvals.ApprovalViewSet, "approvals")
router.register("standing-approvals", approvals.StandingViewSet, "standing-approvals")
router.register("kill-switches", kill_switches.KillSwitchViewSet, "kill-switches")
router.register("drills", drills.DrillViewSet, "drills")
router.register("enforcement/points", enforcement.PointViewSet, "enforcement-points")
router.register("mcp-upstreams", upstreams.McpUpstreamViewSet, "mcp-upstreams")
agent = "agents/<uuid:agent_id>"
blueprint = "blueprints/<uuid:blueprint_id>"
trip = "breaker-trips/<uuid:trip_id>"
version = "policies/<uuid:policy_id>/versions/<int:number>"
urlpatterns = [
    path("policies/kinds", policies.KindsView.as_view(), name="policy-kinds"),
    *router.urls,
    path(version, policies.VersionView.as_view(), name="policy-version"),
    path(f"{version}/propose", policies.ProposeView.as_view(), name="policy-propose"),
    path(f"{version}/review", policies.ReviewView.as_view(), name="policy-review"),
    path(
        "policies/<uuid:policy_id>/examples/<uuid:example_id>",
        policies.ExampleView.as_view(),
        name="policy-example",
    ),
    path("oversight-levels", control.LevelsView.as_view(), name="oversight-levels"),
    path("oversight-levels/<uuid:level_id>", control.LevelView.as_view(), name="oversight-level"),
    path(f"{agent}/control", control.ControlView.as_view(), name="agent-control"),
    path(f"{agent}/budgets", control.BudgetsView.as_view(), name="agent-budgets"),
    path(f"{agent}/budgets/<int:budget_id>", control.BudgetView.as_view(), name="agent-budget"),
    path("gateway/configuration", gateway.ConfigurationView.as_view(), name="gateway-configuration"),
    path("gateway/sightings", gateway.SightingView.as_view(), name="gateway-sightings"),
    path("gateway/admissions", gateway.AdmissionView.as_view(), name="gateway-admissions"),
    path(f"{blueprint}/tool-policy", blueprints.BlueprintPolicyView.as_view(), name="blueprint-tool-policy"),
    path(f"{blueprint}/stop", blueprints.BlueprintStopView.as_view(), name="blueprint-stop"),
    path(f"{blueprint}/reset", blueprints.BlueprintResetView.as_view(), name="blueprint-reset"),
    path(f"{agent}/tool-policy", views.ToolPolicyView.as_view(), name="agent-tool-policy"),
    path(f"{agent}/breaker", breaker.BreakerView.as_view(), name="agent-breaker"),
    path(f"{agent}/breaker/trip", breaker.BreakerTripView.as_view(), name="agent-breaker-trip"),
    path(f"{agent}/breaker/reset", breaker.BreakerResetView.as_view(), name="agent-breaker-reset"),
    path(
        f"{agent}/breaker/reset/confirm", breaker.BreakerConfirmView.as_view(), name="agent-breaker-confirm"
    ),
    path(
        f"{agent}/breaker/reset/decline", breaker.BreakerDeclineView.as_view(), name="agent-breaker-decline"
    ),
    path(f"{agent}/breaker/limits/<slug:cause>", limits.AgentLimitView.as_view(), name="agent-breaker-limit"),
    path(f"{agent}/drills", drills.DrillStartView.as_view(), name="agent-drills"),
    path(trip, breaker.TripView.as_view(), name="breaker-trip"),
    path(f"{trip}/review", breaker.TripReviewView.as_view(), name="breaker-trip-review"),
    path(f"{trip}/take-along", breaker.TripAlongView.as_view(), name="breaker-trip-along"),
    path("breaker-limits", limits.RulesView.as_view(), name="breaker-limits"),
    path("breaker-limits/fleet/<slug:cause>", limits.FleetLimitView.as_view(), name="breaker-limit-fleet"),
    path(
        "breaker-limits/tiers/<int:tier>/<slug:cause>",
        limits.TierLimitView.as_view(),
        name="breaker-limit-tier",
    ),
    path("enforcement/heartbeats", enforcement.HeartbeatView.as_view(), name="enforcement-heartbeats"),
    path("enforcement/orders", enforcement.OrdersView.as_view(), name="enforcement-orders"),
    path(
        "enforcement/acknowledgements",
        enforcement.AcknowledgementsView.as_view(),
        name="enforcement-acknowledgements",
    ),
]
