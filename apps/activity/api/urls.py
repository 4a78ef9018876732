from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.activity.api import behaviour, chains, effects, erasures, outcomes, recording, views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("calls", views.ToolCallViewSet, "calls")
router.register("chains", chains.ChainViewSet, "chains")
router.register("outcomes", outcomes.OutcomeViewSet, "outcomes")
router.register("alerts", behaviour.AlertViewSet, "alerts")
router.register("archive-files", recording.ArchiveFileViewSet, "archive-files")
router.register("erasures", erasures.ErasureViewSet, "erasures")
agent = "agents/<uuid:agent_id>"
urlpatterns = [
    *router.urls,
    path("tools/<uuid:tool_id>/read-back", effects.ReadBackView.as_view(), name="tool-read-back"),
    path("tools/<uuid:tool_id>/read-back/try", effects.TryReadBackView.as_view(), name="tool-read-back-try"),
    path("recording", recording.RecordingView.as_view(), name="recording"),
    path("retention", recording.RetentionView.as_view(), name="retention"),
    path("detectors", behaviour.DetectorsView.as_view(), name="detectors"),
    path(f"{agent}/detectors", behaviour.AgentDetectorsView.as_view(), name="agent-detectors"),
    path(f"{agent}/baselines", behaviour.AgentBaselinesView.as_view(), name="agent-baselines"),
    path(f"{agent}/outcomes/summary", outcomes.AgentOutcomesView.as_view(), name="agent-outcomes-summary"),
]
