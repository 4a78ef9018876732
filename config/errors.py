"""What the framework itself refuses or fails at: problem details under /api/, pages elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from apps.kit.errors import DomainError, NotFound
from apps.kit.rest.problems import MEDIA_TYPE, problem


class Unforeseen(DomainError):
    """A fault of ours; the log has it under the request's id."""

    status, default_code = 500, "unforeseen"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_rest(request):
        return defaults.page_not_found(request, exception)
    return _problem(NotFound("There is no such address. The reference at /api/docs/ lists them."))


def failed(request: HttpRequest) -> HttpResponse:
    if not _is_rest(request):
        return defaults.server_error(request)
    return _problem(Unforeseen("Something failed on our side; nothing is known to have been stored."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_rest(request):
        return defaults.bad_request(request, exception)
    return _problem(DomainError("The request cannot be read.", code="input.unreadable"))


def _is_rest(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _problem(error: DomainError) -> HttpResponse:
    body: dict[str, Any] = problem(error)
    return JsonResponse(body, status=error.status, content_type=MEDIA_TYPE)
