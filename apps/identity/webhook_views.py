"""Pages of webhooks: what is told to whom, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity.access import access_of
from apps.identity.models import WebhookDelivery, WebhookEndpoint
from apps.identity.pages import PageRequest, page
from apps.identity.queries import endpoints_visible_to
from apps.identity.roles import Permission
from apps.identity.services.deliveries import deliveries_of, replay_delivery, replay_range, send_test
from apps.identity.services.webhooks import (
    MadeEndpoint,
    create_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    remove_endpoint,
    rotate_secret,
)
from apps.identity.webhook_forms import EndpointForm, ReplayForm
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

State = WebhookDelivery.State


@require_safe
@page(Permission.OUTGOING_VIEW)
def webhooks(request: PageRequest) -> HttpResponse:
    """Every webhook the actor may see, with what waits for it."""
    waiting = Count("deliveries", filter=Q(deliveries__state=State.WAITING))
    shown = page_of(request, endpoints_visible_to(request.actor).annotate(waiting=waiting), ("name", "id"))
    context = {
        "page": shown,
        "endpoints": shown.rows,
        "failed": [one for one in shown.rows if one.is_failed],
        "may_manage": access_of(request.actor).allows_somewhere(Permission.OUTGOING_MANAGE),
    }
    return render(request, "identity/webhooks.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.OUTGOING_MANAGE)
@never_cache
def webhook_form(request: PageRequest, webhook_id: UUID | None = None) -> HttpResponse:
    """Add a webhook (its secret is on the answer's page and nowhere else), or change one."""
    endpoint = _visible(request, webhook_id) if webhook_id else None
    form = EndpointForm(request.POST or None, initial=EndpointForm.initial_of(endpoint) if endpoint else {})
    if request.method == "POST" and form.is_valid():
        try:
            if endpoint is None:
                return _secret(request, create_endpoint(form.draft(), actor=request.actor))
            edit_endpoint(endpoint, form.draft(), actor=request.actor)
        except DomainError as error:
            error.fields = {
                "codes" if name == "events" else name: words for name, words in error.fields.items()
            }
            show_problem(form, error)
        else:
            messages.success(request, f"The webhook {endpoint.name} is saved.")
            return redirect("identity:webhook", endpoint.pk)
    context = {"form": form, "endpoint": endpoint}
    return render(request, "identity/webhook_form.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.OUTGOING_VIEW)
def webhook(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    """One webhook with its delivery log."""
    endpoint = _visible(request, webhook_id)
    log = deliveries_of(endpoint)
    only = request.GET.get("show", "")
    shown = page_of(request, log.filter(state=only) if only in State.values else log, ("-id",), size=25)
    context = {
        "endpoint": endpoint,
        "page": shown,
        "deliveries": shown.rows,
        "shown": only,
        "counts": _counts(endpoint),
        "replay_form": ReplayForm(),
        "may_manage": access_of(request.actor).allows(Permission.OUTGOING_MANAGE, endpoint.team_id),
    }
    return render(request, "identity/webhook.html", context)


@require_POST
@page(Permission.OUTGOING_MANAGE)
@never_cache
def webhook_act(request: PageRequest, webhook_id: UUID, verb: str) -> HttpResponse:
    """One of the verbs of a webhook's page."""
    endpoint = _visible(request, webhook_id)
    if verb == "rotate":
        return _secret(request, rotate_secret(endpoint, actor=request.actor))
    if verb == "remove":
        remove_endpoint(endpoint, reason=request.POST.get("reason", ""), actor=request.actor)
        messages.success(request, f"The webhook {endpoint.name} is removed.")
        return redirect("identity:webhooks")
    if verb not in VERBS:
        raise NotFound("There is nothing here.")
    messages.success(request, VERBS[verb](request, endpoint))
    return redirect("identity:webhook", endpoint.pk)


@require_POST
@page(Permission.OUTGOING_MANAGE)
def webhook_replay(request: PageRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Send one event again."""
    endpoint = _visible(request, webhook_id)
    replay_delivery(get_object_or_404(endpoint.deliveries, pk=delivery_id), actor=request.actor)
    messages.success(request, "The event goes out again within seconds.")
    return redirect("identity:webhook", endpoint.pk)


def _test(request: PageRequest, endpoint: WebhookEndpoint) -> str:
    send_test(endpoint, actor=request.actor)
    return "A test goes out within seconds; reload to see the answer."


def _enable(request: PageRequest, endpoint: WebhookEndpoint) -> str:
    enable_endpoint(endpoint, actor=request.actor)
    return f"The webhook {endpoint.name} is enabled. Replay the time it was off, if it is to know."


def _disable(request: PageRequest, endpoint: WebhookEndpoint) -> str:
    disable_endpoint(endpoint, reason=request.POST.get("reason", ""), actor=request.actor)
    return f"The webhook {endpoint.name} is disabled."


def _replay(request: PageRequest, endpoint: WebhookEndpoint) -> str:
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return "Nothing was replayed: enter both times, like 2026-12-02 10:30."
    count = replay_range(
        endpoint, form.cleaned_data["since"], form.cleaned_data["until"], actor=request.actor
    )
    return f"{count:,} events go out again."


VERBS: Mapping[str, Callable[[PageRequest, WebhookEndpoint], str]] = {
    "test": _test, "enable": _enable, "disable": _disable, "replay": _replay,
}  # fmt: skip


def _visible(request: PageRequest, webhook_id: UUID) -> WebhookEndpoint:
    return get_object_or_404(endpoints_visible_to(request.actor), pk=webhook_id)


def _secret(request: PageRequest, made: MadeEndpoint) -> HttpResponse:
    return render(request, "identity/webhook_secret.html", {"made": made})


def _counts(endpoint: WebhookEndpoint) -> dict[str, int]:
    rows = endpoint.deliveries.order_by().values_list("state").annotate(count=Count("*"))
    return dict.fromkeys(State.values, 0) | dict(rows)
