from django.urls import path

from apps.oversight import views

app_name = "oversight"
agent = "agents/<uuid:agent_id>"
urlpatterns = [
    path(f"{agent}/tools/", views.agent_tools, name="agent-tools"),
    path(f"{agent}/tools/panel/", views.agent_panel, name="agent-panel"),
    path(f"{agent}/tools/policy/", views.policy_edit, name="policy"),
    path(f"{agent}/breaker/trip/", views.breaker_trip, name="breaker-trip"),
    path(f"{agent}/breaker/reset/", views.breaker_reset, name="breaker-reset"),
]
