from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.agents.api import views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("agents", views.AgentViewSet, "agents")
urlpatterns = [path("agents/search", views.AgentSearchView.as_view(), name="agents-search"), *router.urls]
