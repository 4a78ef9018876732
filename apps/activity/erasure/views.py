"""Pages of erasures: which there were, a new one, one with what it found and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.activity.erasure.forms import ErasureForm
from apps.activity.erasure.job import ARCHIVE, ROUNDS, route, title_of
from apps.activity.erasure.places import LEDGER, left_out
from apps.activity.erasure.services import cancel_erasure, confirm_erasure, request_erasure
from apps.activity.models import Erasure
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


@dataclass(frozen=True)
class Line:
    """One place: how many of its records hold something, how many were emptied."""

    title: str
    found: int
    erased: int
    is_here: bool


@require_safe
@page(Permission.LEDGER_VIEW)
def erasures(request: PageRequest) -> HttpResponse:
    """All erasures, newest first."""
    rows = Erasure.objects.visible_to(request.actor).select_related("asked_by")
    shown = page_of(request, rows, ("-id",), size=25)
    lines = [(one, _sum(one.found), sum(one.erased.values())) for one in shown.rows]
    context = {"page": shown, "lines": lines, "may_ask": _may_ask(request)}
    return render(request, "activity/erasures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page(Permission.RECORDING_MANAGE)
def erasure_new(request: PageRequest) -> HttpResponse:
    """Say whom it is about; the next page shows what is found."""
    form = ErasureForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            erasure = request_erasure(form.asked(), reason=form.cleaned_data["reason"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            return redirect("activity:erasure", erasure.pk)
    context = {"form": form, "left_out": left_out()}
    return render(request, "activity/erasure_new.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.LEDGER_VIEW)
def erasure(request: PageRequest, erasure_id: UUID) -> HttpResponse:
    """One erasure: what was found and where, how far it is."""
    one = _visible(request, erasure_id)
    context = {
        "erasure": one,
        "lines": _lines(one),
        "found": _sum(one.found),
        "erased": sum(one.erased.values()),
        "stays": one.found.get(LEDGER, 0),
        "here": title_of(one.place) if one.place else "",
        "rounds": ROUNDS,
        "may_ask": _may_ask(request),
    }
    is_part = bool(request.headers.get("HX-Request"))
    return render(request, "activity/_erasure.html" if is_part else "activity/erasure.html", context)


@require_POST
@page(Permission.RECORDING_MANAGE)
def erasure_confirm(request: PageRequest, erasure_id: UUID) -> HttpResponseRedirect:
    """Remove what was found."""
    one = confirm_erasure(_visible(request, erasure_id), actor=request.actor)
    return redirect("activity:erasure", one.pk)


@require_POST
@page(Permission.RECORDING_MANAGE)
def erasure_cancel(request: PageRequest, erasure_id: UUID) -> HttpResponseRedirect:
    """End it."""
    one = cancel_erasure(_visible(request, erasure_id), actor=request.actor)
    messages.success(request, "It is cancelled, and the identifiers are forgotten.")
    return redirect("activity:erasure", one.pk)


def _visible(request: PageRequest, erasure_id: UUID) -> Erasure:
    rows = Erasure.objects.visible_to(request.actor).select_related("asked_by", "confirmed_by")
    return get_object_or_404(rows, pk=erasure_id)


def _may_ask(request: PageRequest) -> bool:
    return access_of(request.actor).allows(Permission.RECORDING_MANAGE)


def _sum(found: dict[str, int]) -> int:
    """Without what stays."""
    return sum(count for place, count in found.items() if place != LEDGER)


def _lines(erasure: Erasure) -> list[Line]:
    """The places where something was found, in the order they are gone through; the archive always."""
    return [
        Line(
            title_of(place), erasure.found.get(place, 0), erasure.erased.get(place, 0), place == erasure.place
        )
        for place in route(1)
        if place in erasure.found or place in erasure.erased or place == ARCHIVE
    ]
