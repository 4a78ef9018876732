"""A DomainError as words: a page, or a fragment where htmx asked."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.http import urlencode

from apps.kit.errors import DomainError, NotSignedIn

NEXT_STEPS: Final[dict[int, str]] = {
    400: "Correct what is named below and send it again.",
    401: "Sign in, then repeat what you were doing.",
    403: "An administrator can give you the role this needs.",
    404: "It may have been removed, or you may not have access to it. Look for it in the search.",
    405: "Go back and use the button or link that leads here.",
    409: "Look at its present state, then decide again.",
    412: "Load the page again, look at what changed, and repeat your change.",
    413: "Send less at a time.",
    428: "Load the page again and repeat your change.",
    429: "Wait a little, then repeat.",
    503: "Wait a little, then repeat. Nothing was stored.",
}
SLOT: Final = (
    "#problem"  # the place in base.html where a fragment is shown; app.js moves it into an open dialog
)


def is_fragment(request: HttpRequest) -> bool:
    """True when htmx asked for a part of a page (a boosted link asks for a whole one)."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def problem_page(request: HttpRequest, error: DomainError) -> HttpResponse:
    """What was not done, why, what to do, and the reference to quote; with the error's own status."""
    if isinstance(error, NotSignedIn):
        return _to_login(request)
    fragment = is_fragment(request)
    context = {
        "error": error,
        "next_step": NEXT_STEPS.get(error.status, ""),
        "is_write": request.method != "GET",
    }
    template = "shell/problem_fragment.html" if fragment else "problem.html"
    response = render(request, template, context, status=error.status)
    if fragment:
        response["HX-Retarget"], response["HX-Reswap"] = SLOT, "innerHTML"
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    return response


def _to_login(request: HttpRequest) -> HttpResponse:
    came_from = request.headers.get("HX-Current-URL", "") if is_fragment(request) else request.get_full_path()
    address = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': came_from})}"
    if not is_fragment(request):
        return HttpResponseRedirect(address)
    response = HttpResponse(status=401)
    response["HX-Redirect"] = address
    return response
