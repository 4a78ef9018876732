from django.urls import path

from apps.activity import views
from apps.activity.behaviour import views as behaviour
from apps.activity.chains import views as chain_views
from apps.activity.effects import views as effects
from apps.activity.erasure import views as erasure
from apps.activity.outcomes import views as outcome_views
from apps.activity.recording import views as recording

app_name = "activity"
agent = "agents/<uuid:agent_id>"
alert = "alerts/<uuid:alert_id>"
urlpatterns = [
    path("feed/", views.feed, name="feed"),
    path("calls/<uuid:call_id>/", views.call_detail, name="call"),
    path(f"{agent}/activity/", views.agent_calls, name="agent-calls"),
    path(f"{agent}/activity/panel/", views.agent_panel, name="agent-panel"),
    path(f"{agent}/behaviour/", behaviour.agent_behaviour, name="behaviour"),
    path(f"{agent}/behaviour/detectors/", behaviour.agent_detector_set, name="agent-detector"),
    path("recording/", recording.recording, name="recording"),
    path("recording/default/", recording.default_set, name="recording-default"),
    path("recording/rules/", recording.rule_add, name="recording-rule"),
    path("recording/rules/remove/", recording.rule_remove, name="recording-remove"),
    path("recording/retention/<slug:of>/", recording.retention_set, name="retention"),
    path("activity/erasures/", erasure.erasures, name="erasures"),
    path("activity/erasures/new/", erasure.erasure_new, name="erasure-new"),
    path("activity/erasures/<uuid:erasure_id>/", erasure.erasure, name="erasure"),
    path("activity/erasures/<uuid:erasure_id>/confirm/", erasure.erasure_confirm, name="erasure-confirm"),
    path("activity/erasures/<uuid:erasure_id>/cancel/", erasure.erasure_cancel, name="erasure-cancel"),
    path("alerts/", behaviour.alerts, name="alerts"),
    path("alerts/detectors/", behaviour.detectors, name="detectors"),
    path("alerts/detectors/set/", behaviour.detector_set, name="detector"),
    path(f"{alert}/", behaviour.alert_detail, name="alert"),
    path(f"{alert}/fine/", behaviour.alert_fine, name="alert-fine"),
    path(f"{alert}/confirm/", behaviour.alert_confirm, name="alert-confirm"),
    path(f"{alert}/snooze/", behaviour.alert_snooze, name="alert-snooze"),
    path(f"{agent}/chains/", chain_views.agent_chains, name="agent-chains"),
    path("chains/", chain_views.chains, name="chains"),
    path("chains/<path:conversation>/compare/", chain_views.chain_compare, name="chain-compare"),
    path("chains/<path:conversation>/judge/", chain_views.chain_judge, name="chain-judge"),
    path("chains/<path:conversation>/steps/<int:number>/", chain_views.chain_step, name="chain-step"),
    path("chains/<path:conversation>/", chain_views.chain, name="chain"),
    path("tools/<uuid:tool_id>/read-back/", effects.read_back, name="read-back"),
    path("tools/<uuid:tool_id>/read-back/panel/", effects.read_back_panel, name="read-back-panel"),
    path("tools/<uuid:tool_id>/read-back/remove/", effects.read_back_remove, name="read-back-remove"),
    path("outcomes/", outcome_views.outcomes, name="outcomes"),
    path(f"{agent}/outcomes/", outcome_views.agent_outcomes, name="agent-outcomes"),
    path(f"{agent}/outcomes/events/", outcome_views.note_event, name="outcome-event"),
    path(f"{agent}/outcomes/rules/", outcome_views.set_rules, name="outcome-rules"),
]
