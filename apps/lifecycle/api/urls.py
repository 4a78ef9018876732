from django.urls import path

from apps.lifecycle.api import views

urlpatterns = [
    path("agents/<uuid:agent_id>/adopt", views.AdoptView.as_view(), name="agent-adopt"),
    path("agents/<uuid:agent_id>/transitions", views.TransitionsView.as_view(), name="agent-transitions"),
]
