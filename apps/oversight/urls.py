from django.urls import path

from apps.oversight import blueprint_views, upstream_views, views

app_name = "oversight"
agent = "agents/<uuid:agent_id>"
blueprint = "blueprints/<uuid:blueprint_id>"
upstream = "mcp-servers/<uuid:upstream_id>"
urlpatterns = [
    path("mcp-servers/", upstream_views.upstreams, name="upstreams"),
    path("mcp-servers/new/", upstream_views.upstream_form, name="upstream-new"),
    path(f"{upstream}/", upstream_views.upstream, name="upstream"),
    path(f"{upstream}/edit/", upstream_views.upstream_form, name="upstream-edit"),
    path(f"{upstream}/definitions/<uuid:definition_id>/", upstream_views.definition, name="definition"),
    path(
        f"{upstream}/definitions/<uuid:definition_id>/<slug:verb>/",
        upstream_views.definition_judge,
        name="definition-judge",
    ),
    path(f"{upstream}/<slug:verb>/", upstream_views.upstream_act, name="upstream-act"),
    path(f"{agent}/tools/", views.agent_tools, name="agent-tools"),
    path(f"{agent}/tools/panel/", views.agent_panel, name="agent-panel"),
    path(f"{agent}/tools/policy/", views.policy_edit, name="policy"),
    path(f"{agent}/breaker/trip/", views.breaker_trip, name="breaker-trip"),
    path(f"{agent}/breaker/reset/", views.breaker_reset, name="breaker-reset"),
    path(f"{blueprint}/tools/", blueprint_views.blueprint_tools, name="blueprint"),
    path(f"{blueprint}/tools/panel/", blueprint_views.blueprint_panel, name="blueprint-panel"),
    path(f"{blueprint}/tools/policy/", blueprint_views.blueprint_policy, name="blueprint-policy"),
    path(f"{blueprint}/breakers/stop/", blueprint_views.blueprint_stop, name="blueprint-stop"),
    path(f"{blueprint}/breakers/reset/", blueprint_views.blueprint_reset, name="blueprint-reset"),
]
