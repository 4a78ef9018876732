from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.activity.api import outcomes, views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("calls", views.ToolCallViewSet, "calls")
router.register("outcomes", outcomes.OutcomeViewSet, "outcomes")
urlpatterns = [
    *router.urls,
    path(
        "agents/<uuid:agent_id>/outcomes/summary",
        outcomes.AgentOutcomesView.as_view(),
        name="agent-outcomes-summary",
    ),
]
