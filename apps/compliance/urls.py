from django.urls import path

from apps.compliance import blueprint_views, views

app_name = "compliance"
agent = "agents/<uuid:agent_id>/certification"
blueprint = "blueprints/<uuid:blueprint_id>/certification"
urlpatterns = [
    path("findings/", views.findings, name="findings"),
    path("findings/drift-run/", views.run_drift, name="run-drift"),
    path("findings/<uuid:finding_id>/", views.finding_detail, name="finding"),
    path("findings/<uuid:finding_id>/resolve/", views.finding_resolve, name="resolve"),
    path("certifications/", views.certifications, name="certifications"),
    path("certifications/expiry-run/", views.run_expiry, name="run-expiry"),
    path("certifications/<uuid:certification_id>/revoke/", views.revoke, name="revoke"),
    path("frameworks/", views.frameworks, name="frameworks"),
    path(f"{agent}/", views.agent_certification, name="agent-certification"),
    path(f"{agent}/panel/", views.agent_panel, name="agent-panel"),
    path(f"{agent}/<slug:key>/", views.certify, name="certify"),
    path(f"{blueprint}/", blueprint_views.blueprint_certification, name="blueprint"),
    path(f"{blueprint}/panel/", blueprint_views.blueprint_panel, name="blueprint-panel"),
    path(
        f"{blueprint}/<uuid:certification_id>/revoke/",
        blueprint_views.blueprint_revoke,
        name="blueprint-revoke",
    ),
    path(f"{blueprint}/<slug:key>/", blueprint_views.blueprint_certify, name="blueprint-certify"),
]
