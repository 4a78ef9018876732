from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.compliance.api import views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("frameworks", views.FrameworkViewSet, "frameworks")
router.register("certifications", views.CertificationViewSet, "certifications")
router.register("findings", views.FindingViewSet, "findings")
urlpatterns = [
    path("certifications/expiry-runs", views.ExpiryRunView.as_view(), name="expiry-runs"),
    path("frameworks/<slug:key>/controls", views.ControlsView.as_view(), name="framework-controls"),
    path("frameworks/<slug:key>/controls/<str:code>", views.ControlView.as_view(), name="framework-control"),
    path("drift-runs", views.DriftRunView.as_view(), name="drift-runs"),
    path(
        "agents/<uuid:agent_id>/certifications",
        views.AgentCertificationsView.as_view(),
        name="agent-certifications",
    ),
    *router.urls,
]
