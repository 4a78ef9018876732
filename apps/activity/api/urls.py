from rest_framework.routers import SimpleRouter

from apps.activity.api import views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("calls", views.ToolCallViewSet, "calls")
urlpatterns = router.urls
