"""Renders DomainErrors of page views as words."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from apps.kit.errors import WrongMethod
from apps.kit.foreign import as_known
from apps.kit.request_id import HEADER, begin_request, current_request_id
from apps.kit.ui.problems import problem_page


class ProblemPageMiddleware:
    """What a page view refuses becomes a page, or a fragment for htmx; every answer names its request.

    REST views render their own problems (apps.kit.rest.problems) and never reach this. An id given
    further out (apps.identity.middleware) is kept.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = current_request_id() or begin_request(request.headers.get(HEADER, ""))
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            response = _wrong_method(request, response["Allow"])
        response[HEADER] = request_id
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        known = as_known(exception)
        return problem_page(request, known) if known is not None else None


def _wrong_method(request: HttpRequest, allowed: str) -> HttpResponse:
    """A page where the framework answers with nothing."""
    is_form = "POST" in allowed
    words = (
        "This address takes a form that is sent; it shows nothing."
        if is_form
        else "This address only shows something."
    )
    response = problem_page(request, WrongMethod(words))
    response["Allow"] = allowed
    return response
