from django.urls import path

from apps.activity import views
from apps.activity.chains import views as chain_views

app_name = "activity"
urlpatterns = [
    path("feed/", views.feed, name="feed"),
    path("calls/<uuid:call_id>/", views.call_detail, name="call"),
    path("agents/<uuid:agent_id>/activity/", views.agent_calls, name="agent-calls"),
    path("agents/<uuid:agent_id>/activity/panel/", views.agent_panel, name="agent-panel"),
    path("agents/<uuid:agent_id>/chains/", chain_views.agent_chains, name="agent-chains"),
    path("chains/", chain_views.chains, name="chains"),
    path("chains/<path:conversation>/compare/", chain_views.chain_compare, name="chain-compare"),
    path("chains/<path:conversation>/judge/", chain_views.chain_judge, name="chain-judge"),
    path("chains/<path:conversation>/steps/<int:number>/", chain_views.chain_step, name="chain-step"),
    path("chains/<path:conversation>/", chain_views.chain, name="chain"),
]
