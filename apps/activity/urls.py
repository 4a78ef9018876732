from django.urls import path

from apps.activity import views
from apps.activity.behaviour import views as behaviour

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
    path("alerts/", behaviour.alerts, name="alerts"),
    path("alerts/detectors/", behaviour.detectors, name="detectors"),
    path("alerts/detectors/set/", behaviour.detector_set, name="detector"),
    path(f"{alert}/", behaviour.alert_detail, name="alert"),
    path(f"{alert}/fine/", behaviour.alert_fine, name="alert-fine"),
    path(f"{alert}/confirm/", behaviour.alert_confirm, name="alert-confirm"),
    path(f"{alert}/snooze/", behaviour.alert_snooze, name="alert-snooze"),
]
