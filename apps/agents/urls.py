from django.urls import path

from apps.agents import discovery_pages, views

app_name = "agents"
urlpatterns = [
    path("agents/", views.agent_list, name="list"),
    path("agents/new/", views.agent_draft, name="draft"),
    path("agents/risk-preview/", views.risk_preview, name="risk-preview"),
    path("agents/<uuid:agent_id>/", views.agent_detail, name="detail"),
    path("agents/<uuid:agent_id>/edit/", views.agent_edit, name="edit"),
    path("agents/<uuid:agent_id>/history/", views.agent_history, name="history"),
    path("discovery/", discovery_pages.discovery, name="discovery"),
    path("discovery/decide/", discovery_pages.discovery_decide, name="discovery-decide"),
    path("discovery/upload/", discovery_pages.discovery_upload, name="discovery-upload"),
]
