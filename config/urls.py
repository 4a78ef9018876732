"""Every address of Chancery, by app."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from apps.agents.views import registry as agent_views
from config import health
from config.schema import SchemaView
from config.views import home

api: list[URLPattern | URLResolver] = [
    path("", include("apps.identity.api.urls")),
    path("", include("apps.lifecycle.api.urls")),
    path("", include("apps.compliance.api.urls")),
    path("", include("apps.oversight.api.urls")),
    path("", include("apps.activity.api.urls")),
    path("", include("apps.agents.api.urls")),
    path("schema", SchemaView.as_view(), name="api-schema"),
]


class ApiReference(SpectacularSwaggerSplitView):
    """The REST reference: its script comes by address, for the policy allows none inline."""

    template_name = "config/api_reference.html"


urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("", home, name="home"),
    path("", include("apps.kit.ui.urls")),
    path("", include("apps.identity.urls")),
    path("", include("apps.agents.urls")),
    path("", include("apps.activity.urls")),
    path("", include("apps.oversight.urls")),
    path("", include("apps.compliance.urls")),
    path("", include("apps.lifecycle.urls")),
    path("palette/", agent_views.palette, name="palette"),
    path("api/v1/", include((api, "api"))),
    path("api/docs/", ApiReference.as_view(url_name="api:api-schema"), name="api-docs"),
    path("admin/", admin.site.urls),
]

handler400 = "config.errors.bad_request"
handler404 = "config.errors.not_found"
handler500 = "config.errors.failed"
