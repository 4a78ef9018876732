from django.urls import path

from apps.activity import views

app_name = "activity"
urlpatterns = [
    path("feed/", views.feed, name="feed"),
    path("calls/<uuid:call_id>/", views.call_detail, name="call"),
    path("agents/<uuid:agent_id>/activity/", views.agent_calls, name="agent-calls"),
    path("agents/<uuid:agent_id>/activity/panel/", views.agent_panel, name="agent-panel"),
]
