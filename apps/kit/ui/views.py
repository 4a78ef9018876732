"""Pages of the kit itself: the theme switch, the component kit, and what a failed CSRF check says."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.kit.errors import InvalidInput, NotPermitted
from apps.kit.ui import samples, theme
from apps.kit.ui.problems import problem_page

_CHOICES = {
    "theme": (theme.COOKIE, frozenset(theme.NEXT)),
    "keys": (theme.KEYS_COOKIE, frozenset({"on", "off"})),
}


@require_POST
def switch_theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme (`theme`: light, dark or empty) or the single keys (`keys`: on or off)."""
    response = _back(request)
    for name, (cookie, allowed) in _CHOICES.items():
        if name not in request.POST:
            continue
        if request.POST[name] not in allowed:
            raise InvalidInput("This choice does not exist.", fields={name: f"One of {sorted(allowed)}"})
        theme.remember(response, cookie, request.POST[name])
    return response


def _back(request: HttpRequest) -> HttpResponse:
    """204 for a script, otherwise back to the page asked for, never to another site."""
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    target = request.POST.get("next", "/")
    local = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(target if local else "/")


@login_required
@require_safe
@never_cache
def kit(request: HttpRequest) -> HttpResponse:
    """Every component in every state; staff only."""
    if not getattr(request.user, "is_staff", False):
        raise NotPermitted("The component kit is for administrators and registry curators.")
    return render(request, "kit/index.html", samples.page_context())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """What a form sent without a valid token answers: nothing was done, load the page again."""
    error = NotPermitted(
        "The form was opened too long ago, or in another browser session. Load the page again and repeat.",
        code="auth.csrf",
    )
    return problem_page(request, error)
