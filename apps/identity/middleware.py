"""Who acts in this request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from apps.kit.errors import NotPermitted
from apps.kit.request_id import begin_request
from apps.kit.rest.problems import MEDIA_TYPE, problem


class ActorMiddleware:
    """Give every request an id and `request.actor`: the signed-in person's principal, or None."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = begin_request(request.headers.get("X-Request-ID", ""))
        person = request.user
        request.actor = person.principal if person.is_authenticated else None  # type: ignore[attr-defined]
        response = self._detour(request) or self.get_response(request)
        response["X-Request-ID"] = request_id
        return response

    def _detour(self, request: HttpRequest) -> HttpResponse | None:
        """Who signed in with a password that somebody else knows chooses another before anything else."""
        if not getattr(request.user, "must_change_password", False) or request.path in _open_addresses():
            return None
        if request.path.startswith("/api/"):
            error = NotPermitted("Choose a password of your own first.", code="auth.password_change_needed")
            return JsonResponse(problem(error), status=error.status, content_type=MEDIA_TYPE)
        return redirect("identity:password")


def _open_addresses() -> set[str]:
    return {reverse("identity:password"), reverse("identity:logout")}
