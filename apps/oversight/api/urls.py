from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.oversight.api import blueprints, gateway, upstreams, views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("decisions", views.DecisionViewSet, "decisions")
router.register("mcp-upstreams", upstreams.McpUpstreamViewSet, "mcp-upstreams")
agent = "agents/<uuid:agent_id>"
blueprint = "blueprints/<uuid:blueprint_id>"
urlpatterns = [
    *router.urls,
    path("gateway/configuration", gateway.ConfigurationView.as_view(), name="gateway-configuration"),
    path("gateway/sightings", gateway.SightingView.as_view(), name="gateway-sightings"),
    path("gateway/admissions", gateway.AdmissionView.as_view(), name="gateway-admissions"),
    path(f"{blueprint}/tool-policy", blueprints.BlueprintPolicyView.as_view(), name="blueprint-tool-policy"),
    path(f"{blueprint}/stop", blueprints.BlueprintStopView.as_view(), name="blueprint-stop"),
    path(f"{blueprint}/reset", blueprints.BlueprintResetView.as_view(), name="blueprint-reset"),
    path(f"{agent}/tool-policy", views.ToolPolicyView.as_view(), name="agent-tool-policy"),
    path(f"{agent}/breaker", views.BreakerView.as_view(), name="agent-breaker"),
    path(f"{agent}/breaker/trip", views.BreakerTripView.as_view(), name="agent-breaker-trip"),
    path(f"{agent}/breaker/reset", views.BreakerResetView.as_view(), name="agent-breaker-reset"),
]
