from typing import Any

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.agents.api import (
    ai_act,
    blueprints,
    bulk,
    declarations,
    discoveries,
    exports,
    graph,
    outward,
    record,
    risk,
    views,
)

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("agents", views.AgentViewSet, "agents")
router.register("tools", record.ToolViewSet, "tools")
router.register("models", record.ModelEndpointViewSet, "models")
router.register("predictive-models", record.PredictiveModelViewSet, "predictive-models")
router.register("data-sources", record.DataSourceViewSet, "data-sources")
router.register("systems", record.SystemViewSet, "systems")
router.register("blueprints", blueprints.BlueprintViewSet, "blueprints")
router.register("discoveries", discoveries.DiscoveryViewSet, "discoveries")
router.register("risk-policies", risk.RiskPolicyViewSet, "risk-policies")
router.register("connectors", outward.ConnectorViewSet, "connectors")
router.register("dependencies", record.DependencyViewSet, "dependencies")
of_agent = "agents/<uuid:agent_id>"
many: dict[str, Any] = {"get": "list", "post": "create"}
revoke: dict[str, Any] = {"post": "revoke"}
settle: dict[str, Any] = {"post": "settle"}
urlpatterns = [
    path("catalog/backstage", outward.BackstageView.as_view(), name="catalog-backstage"),
    path("graph", graph.GraphView.as_view(), name="graph"),
    path("graph/impact", graph.ImpactView.as_view(), name="graph-impact"),
    path("agents/bulk", bulk.BulkView.as_view(), name="agents-bulk"),
    path("agents/apply", declarations.ApplyView.as_view(), name="agents-apply"),
    path("agents/search", views.AgentSearchView.as_view(), name="agents-search"),
    path("ai-act/questionnaire", ai_act.QuestionnaireView.as_view(), name="ai-act-questionnaire"),
    path(f"{of_agent}/ai-act", ai_act.ClassificationViewSet.as_view(many), name="agent-ai-act"),
    path(f"{of_agent}/risk", risk.AgentRiskView.as_view(), name="agent-risk"),
    path(f"{of_agent}/risk/take", risk.TakeFactLevelView.as_view(), name="agent-risk-take"),
    path(f"{of_agent}/risk/reassess", risk.ReassessView.as_view(), name="agent-risk-reassess"),
    path(f"{of_agent}/grants", record.GrantViewSet.as_view(many), name="agent-grants"),
    path(
        f"{of_agent}/grants/<uuid:pk>/revoke",
        record.GrantViewSet.as_view(revoke),
        name="agent-grant-revoke",
    ),
    path(f"{of_agent}/bill-of-materials", exports.BillView.as_view(), name="agent-bill"),
    path(f"{of_agent}/agent-card", exports.CardView.as_view(), name="agent-card"),
    path(
        "blueprints/<uuid:blueprint_id>/grants",
        blueprints.BlueprintGrantViewSet.as_view(many),
        name="blueprint-grants",
    ),
    path(
        "blueprints/<uuid:blueprint_id>/grants/<uuid:pk>/revoke",
        blueprints.BlueprintGrantViewSet.as_view(revoke),
        name="blueprint-grant-revoke",
    ),
    path(f"{of_agent}/declaration", declarations.DeclarationView.as_view(), name="agent-declaration"),
    path(f"{of_agent}/versions", record.VersionViewSet.as_view(many), name="agent-versions"),
    path(f"{of_agent}/claims", record.ClaimViewSet.as_view(many), name="agent-claims"),
    path(
        f"{of_agent}/claims/<int:pk>/settle",
        record.ClaimViewSet.as_view(settle),
        name="agent-claim-settle",
    ),
    *router.urls,
]
