from rest_framework.routers import SimpleRouter

from apps.activity.api import chains, views

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("calls", views.ToolCallViewSet, "calls")
router.register("chains", chains.ChainViewSet, "chains")
urlpatterns = router.urls
