from django.urls import path

from apps.lifecycle import views

app_name = "lifecycle"
urlpatterns = [
    path("agents/<uuid:agent_id>/adopt/", views.adopt_page, name="adopt"),
    path("agents/<uuid:agent_id>/lifecycle/", views.moves_page, name="agent-moves"),
    path("agents/<uuid:agent_id>/lifecycle/move/", views.make_move, name="move"),
]
