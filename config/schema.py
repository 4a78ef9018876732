"""The OpenAPI document, made once in each process: it is the same for everybody, and making it takes a second."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request


class OnceGenerator(SchemaGenerator):
    def get_schema(self, request: Request | None = None, public: bool = False) -> Any:
        return _whole_schema() if public else super().get_schema(request, public)


class SchemaView(SpectacularAPIView):
    generator_class = OnceGenerator


@lru_cache(maxsize=1)
def _whole_schema() -> Any:
    return SchemaGenerator(api_version=None).get_schema(request=None, public=True)
