from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.compliance.api import blueprints, views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("frameworks", views.FrameworkViewSet, "frameworks")
router.register("certifications", views.CertificationViewSet, "certifications")
router.register("findings", views.FindingViewSet, "findings")
urlpatterns = [
    path("certifications/expiry-runs", views.ExpiryRunView.as_view(), name="expiry-runs"),
    path("frameworks/<slug:key>/controls", views.ControlsView.as_view(), name="framework-controls"),
    path("frameworks/<slug:key>/controls/<str:code>", views.ControlView.as_view(), name="framework-control"),
    path(
        "blueprints/<uuid:blueprint_id>/certifications",
        blueprints.BlueprintCertificationViewSet.as_view({"get": "list", "post": "create"}),
        name="blueprint-certifications",
    ),
    path(
        "blueprints/<uuid:blueprint_id>/certifications/<uuid:pk>/revoke",
        blueprints.BlueprintCertificationViewSet.as_view({"post": "revoke"}),
        name="blueprint-certification-revoke",
    ),
    path("drift-runs", views.DriftRunView.as_view(), name="drift-runs"),
    path(
        "agents/<uuid:agent_id>/certifications",
        views.AgentCertificationsView.as_view(),
        name="agent-certifications",
    ),
    *router.urls,
]
