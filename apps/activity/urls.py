from django.urls import path

from apps.activity import views
from apps.activity.outcomes import views as outcome_views

app_name = "activity"
urlpatterns = [
    path("feed/", views.feed, name="feed"),
    path("calls/<uuid:call_id>/", views.call_detail, name="call"),
    path("agents/<uuid:agent_id>/activity/", views.agent_calls, name="agent-calls"),
    path("agents/<uuid:agent_id>/activity/panel/", views.agent_panel, name="agent-panel"),
    path("outcomes/", outcome_views.outcomes, name="outcomes"),
    path("agents/<uuid:agent_id>/outcomes/", outcome_views.agent_outcomes, name="agent-outcomes"),
    path("agents/<uuid:agent_id>/outcomes/events/", outcome_views.note_event, name="outcome-event"),
    path("agents/<uuid:agent_id>/outcomes/rules/", outcome_views.set_rules, name="outcome-rules"),
]
