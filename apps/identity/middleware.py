"""Who acts in this request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.kit.request_id import begin_request


class ActorMiddleware:
    """Give every request an id and `request.actor`: the signed-in person's principal, or None."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = begin_request(request.headers.get("X-Request-ID", ""))
        person = request.user
        request.actor = person.principal if person.is_authenticated else None  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response
