from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.identity.api import views, webhooks

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("people", views.PersonViewSet, "people")
router.register("teams", views.TeamViewSet, "teams")
router.register("api-keys", views.ApiKeyViewSet, "api-keys")
router.register("webhooks", webhooks.WebhookViewSet, "webhooks")
router.register("ledger/entries", views.LedgerEntryViewSet, "ledger-entries")
router.register("ledger/checkpoints", views.LedgerCheckpointViewSet, "ledger-checkpoints")
urlpatterns = [path("me", views.MeView.as_view(), name="me"), *router.urls]
