from django.urls import path

from apps.oversight import (
    approval_views,
    blueprint_views,
    limit_views,
    policy_views,
    stop_views,
    switch_views,
    upstream_views,
    views,
)

app_name = "oversight"
agent = "agents/<uuid:agent_id>"
blueprint = "blueprints/<uuid:blueprint_id>"
trip = "stops/<uuid:trip_id>"
switch = "kill-switches/<uuid:switch_id>"
policy = "policies/<uuid:policy_id>"
approval = "approvals/<uuid:approval_id>"
consent = "approvals/standing/<uuid:standing_id>"
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
    path(f"{agent}/breaker/", stop_views.agent_stop, name="agent-stop"),
    path(f"{agent}/breaker/trip/", stop_views.breaker_trip, name="breaker-trip"),
    path(f"{agent}/breaker/reset/", stop_views.breaker_reset, name="breaker-reset"),
    path(f"{agent}/breaker/confirm/", stop_views.breaker_confirm, name="breaker-confirm"),
    path(f"{agent}/breaker/decline/", stop_views.breaker_decline, name="breaker-decline"),
    path(f"{agent}/breaker/limits/<slug:cause>/", limit_views.limit_of_agent, name="limit-of-agent"),
    path(f"{agent}/drill/", limit_views.drill_start, name="drill-start"),
    path("approvals/", approval_views.approvals, name="approvals"),
    path("approvals/decided/", approval_views.decided, name="decided"),
    path("approvals/answer/", approval_views.approvals_answer, name="approvals-answer"),
    path("approvals/standing/", approval_views.standing, name="standing"),
    path(f"{consent}/revoke/", approval_views.standing_revoke, name="standing-revoke"),
    path(f"{consent}/review/", approval_views.standing_review, name="standing-review"),
    path(f"{approval}/", approval_views.approval, name="approval"),
    path(f"{approval}/answer/", approval_views.approval_answer, name="approval-answer"),
    path(f"{approval}/note/", approval_views.approval_note, name="approval-note"),
    path(f"{approval}/pass-on/", approval_views.approval_pass_on, name="approval-pass-on"),
    path(f"{approval}/done/", approval_views.approval_done, name="approval-done"),
    path(f"{approval}/in-advance/", approval_views.consent, name="consent"),
    path("policies/", policy_views.policies, name="policies"),
    path("policies/new/", policy_views.policy_new, name="policy-new"),
    path(f"{policy}/", policy_views.policy, name="cedar-policy"),
    path(f"{policy}/draft/", policy_views.policy_draft, name="policy-draft"),
    path(
        f"{policy}/examples/<uuid:example_id>/drop/",
        policy_views.policy_example_drop,
        name="policy-example-drop",
    ),
    path(f"{policy}/act/<slug:verb>/", policy_views.policy_act, name="policy-act"),
    path("stops/", stop_views.stops, name="stops"),
    path("stops/limits/", limit_views.limits, name="limits"),
    path("stops/limits/fleet/<slug:cause>/", limit_views.limit_of_fleet, name="limit-of-fleet"),
    path("stops/limits/tiers/<int:tier>/<slug:cause>/", limit_views.limit_of_tier, name="limit-of-tier"),
    path("stops/drills/", limit_views.drills, name="drills"),
    path("stops/points/", switch_views.points, name="points"),
    path(f"{trip}/", stop_views.trip_detail, name="trip"),
    path(f"{trip}/containment/", stop_views.trip_containment, name="trip-containment"),
    path(f"{trip}/review/", stop_views.trip_review, name="trip-review"),
    path(f"{trip}/take-along/", stop_views.trip_along, name="trip-along"),
    path("kill-switches/", switch_views.kill_switches, name="kill-switches"),
    path(f"{switch}/", switch_views.kill_switch, name="kill-switch"),
    path(f"{switch}/release/", switch_views.kill_switch_release, name="kill-switch-release"),
    path(f"{blueprint}/tools/", blueprint_views.blueprint_tools, name="blueprint"),
    path(f"{blueprint}/tools/panel/", blueprint_views.blueprint_panel, name="blueprint-panel"),
    path(f"{blueprint}/tools/policy/", blueprint_views.blueprint_policy, name="blueprint-policy"),
    path(f"{blueprint}/breakers/stop/", blueprint_views.blueprint_stop, name="blueprint-stop"),
    path(f"{blueprint}/breakers/reset/", blueprint_views.blueprint_reset, name="blueprint-reset"),
]
