"""Pages of identity: signing in, people, API keys, the ledger."""

from __future__ import annotations

import secrets
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity import queries
from apps.identity.access import access_of, require
from apps.identity.filters import LedgerFilter
from apps.identity.forms import PersonForm, SignInForm, SourceForm
from apps.identity.models import LedgerCheckpoint, LedgerPending
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.identity.services.keys import KeyRequest, mint_source_key, revoke_key
from apps.identity.services.people import assign_role, create_person
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


class SignIn(auth_views.LoginView):
    """Sign in with a password. Single sign-on adds its own links to the same page."""

    template_name = "identity/login.html"
    form_class = SignInForm
    redirect_authenticated_user = True
    http_method_names = ["get", "post", "head", "options"]


def locked_out(request: PageRequest, credentials: dict[str, str], *_: object, **__: object) -> HttpResponse:
    """After too many failures for this account from this address: 429, for five minutes."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    words = f"Signing in to this account from your network is paused for {minutes} minutes."
    context = {"form": SignInForm(request), "lockout": words}
    response = render(request, "identity/login.html", context, status=429)
    response["Retry-After"] = str(minutes * 60)
    return response


@require_safe
@page(Permission.IDENTITY_VIEW)
def people(request: PageRequest) -> HttpResponse:
    """People, their roles, the teams."""
    shown = page_of(request, queries.people_visible_to(request.actor), ("name", "id"))
    context = {
        "page": shown,
        "people": shown.rows,
        "teams": queries.teams_visible_to(request.actor),
        "may_manage": access_of(request.actor).allows(Permission.IDENTITY_MANAGE),
    }
    return render(request, "identity/people.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.IDENTITY_MANAGE)
@never_cache
def person_new(request: PageRequest) -> HttpResponse:
    """Make an account; its first password is shown once."""
    require(request.actor, Permission.IDENTITY_MANAGE)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = secrets.token_urlsafe(15)
        try:
            _create(form.cleaned_data, password, request)
        except DomainError as error:
            show_problem(form, error)
        else:
            context = {"email": form.cleaned_data["email"], "password": password}
            return render(request, "identity/person_made.html", context)
    return render(request, "identity/person_form.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@page(Permission.KEYS_VIEW)
def keys(request: PageRequest) -> HttpResponse:
    """API keys, and how to connect an agent."""
    shown = page_of(request, queries.keys_visible_to(request.actor), ("-created_at", "id"))
    context = {
        "page": shown,
        "keys": shown.rows,
        "form": SourceForm(),
        "endpoint": settings.PUBLIC_URL,
        "may_manage": access_of(request.actor).allows_somewhere(Permission.KEYS_MANAGE),
    }
    return render(request, "identity/keys.html", context)


@require_POST
@page(Permission.KEYS_MANAGE)
@never_cache
def key_mint(request: PageRequest) -> HttpResponse:
    """Mint a source's key; the token is on the answer's page and nowhere else."""
    form = SourceForm(request.POST)
    if form.is_valid():
        try:
            wanted = KeyRequest(form.cleaned_data["name"], form.cleaned_data["scopes"])
            minted = mint_source_key(wanted, team=form.cleaned_data["team"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            context = {"minted": minted, "endpoint": settings.PUBLIC_URL}
            return render(request, "identity/key_minted.html", context)
    shown = page_of(request, queries.keys_visible_to(request.actor), ("-created_at", "id"))
    context = {
        "page": shown,
        "keys": shown.rows,
        "form": form,
        "endpoint": settings.PUBLIC_URL,
        "may_manage": True,
    }
    return render(request, "identity/keys.html", context, status=422)


@require_POST
@page(Permission.KEYS_MANAGE)
def key_revoke(request: PageRequest, key_id: UUID) -> HttpResponse:
    key = get_object_or_404(queries.keys_visible_to(request.actor), pk=key_id)
    revoke_key(key, actor=request.actor, reason=request.POST.get("reason", ""))
    messages.success(request, f"The key {key.name} is revoked.")
    return redirect("identity:keys")


@require_safe
@page(Permission.LEDGER_VIEW)
def ledger(request: PageRequest) -> HttpResponse:
    """Every governed act, newest first, with the last signed checkpoint."""
    narrowed = LedgerFilter(request.GET, queries.ledger_visible_to(request.actor))
    shown = page_of(request, narrowed.qs, ("-id",))
    context = {
        "page": shown,
        "entries": shown.rows,
        "checkpoint": LedgerCheckpoint.objects.order_by("-tree_size").first(),
        "waiting": LedgerPending.objects.count(),
        "filtered": bool(request.GET),
    }
    return render(request, "identity/ledger.html", context)


@require_safe
@page(Permission.LEDGER_VIEW)
def ledger_entry(request: PageRequest, entry_id: int) -> HttpResponse:
    """One entry: its words, its exact bytes, its place in the tree."""
    entry = get_object_or_404(queries.ledger_visible_to(request.actor), pk=entry_id)
    context = {"entry": entry, "body": bytes(entry.body).decode(), "leaf": getattr(entry, "leaf", None)}
    return render(request, "identity/ledger_entry.html", context)


@transaction.atomic
def _create(stated: dict[str, object], password: str, request: PageRequest) -> None:
    person = create_person(
        str(stated["email"]),
        str(stated["name"]),
        password=password,
        job_title=str(stated["job_title"]),
        actor=request.actor,
    )
    assign_role(person.principal, str(stated["role"]), team=stated["team"], actor=request.actor)  # type: ignore[arg-type]
