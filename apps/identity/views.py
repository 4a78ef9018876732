"""Pages of identity: signing in, people, API keys, the ledger."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity import queries, throttle
from apps.identity.access import access_of, require
from apps.identity.filters import LedgerFilter
from apps.identity.forms import PasswordForm, PersonForm, RoleForm, SignInForm, SourceForm, TeamForm
from apps.identity.models import LedgerCheckpoint, LedgerPending, Principal
from apps.identity.naming import names_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.identity.services.accounts import (
    change_password,
    deactivate_person,
    reactivate_person,
    reset_password,
)
from apps.identity.services.keys import KeyRequest, mint_source_key, revoke_key
from apps.identity.services.people import assign_role, create_person, create_team, edit_team, withdraw_role
from apps.kit.errors import DomainError, NotFound, TooMany
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


class SignIn(auth_views.LoginView):
    """Sign in with a password. Single sign-on adds its own links to the same page."""

    template_name = "identity/login.html"
    form_class = SignInForm
    redirect_authenticated_user = True
    http_method_names = ["get", "post", "head", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            throttle.require_slot(request, self._account())
        except TooMany as error:
            words = f"Signing in is paused for {error.retry_after_s} seconds. {error.message}"
            return _paused(request, words, error.retry_after_s or 0)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: Any) -> HttpResponse:
        throttle.note_failure(self.request, self._account())
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        throttle.remember_device(response, form.get_user(), secure=settings.SESSION_COOKIE_SECURE)
        return response

    def _account(self) -> str:
        return self.request.POST.get("username", "")


def locked_out(request: HttpRequest, credentials: dict[str, str], *_: object, **__: object) -> HttpResponse:
    """After too many failures for this account from this address: 429, for five minutes."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    words = f"Signing in to this account from your network is paused for {minutes} minutes."
    return _paused(request, words, minutes * 60)


def _paused(request: HttpRequest, words: str, seconds: int) -> HttpResponse:
    context = {"form": SignInForm(request), "lockout": words}
    response = render(request, "identity/login.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


@require_http_methods(["GET", "POST"])
@page()
@sensitive_post_parameters()
@never_cache
def password(request: PageRequest) -> HttpResponse:
    """Choose a new password of one's own; other sessions end."""
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            person = change_password(request.actor, chosen["current"], chosen["new"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            update_session_auth_hash(request, person)
            messages.success(request, "Your password is changed. Other sessions have ended.")
            return redirect("home")
    context = {"form": form, "is_needed": getattr(request.user, "must_change_password", False)}
    return render(request, "identity/password.html", context, status=422 if form.errors else 200)


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
@page(Permission.IDENTITY_VIEW)
def person(request: PageRequest, person_id: UUID) -> HttpResponse:
    """One person: roles, whether the account is open, what may be done about either."""
    return _person(request, _visible_person(request, person_id), RoleForm())


@require_POST
@page(Permission.IDENTITY_MANAGE)
def role_give(request: PageRequest, person_id: UUID) -> HttpResponse:
    one, form = _visible_person(request, person_id), RoleForm(request.POST)
    if not form.is_valid():
        return _person(request, one, form)
    given = assign_role(one, form.cleaned_data["role"], team=form.cleaned_data["team"], actor=request.actor)
    messages.success(request, f"{one.name} is {given.get_role_display().lower()} now.")
    return redirect("identity:person", one.pk)


@require_POST
@page(Permission.IDENTITY_MANAGE)
def role_withdraw(request: PageRequest, person_id: UUID, role_id: int) -> HttpResponse:
    one = _visible_person(request, person_id)
    withdraw_role(
        get_object_or_404(one.roles, pk=role_id), reason=request.POST.get("reason", ""), actor=request.actor
    )
    messages.success(request, "The role is withdrawn.")
    return redirect("identity:person", one.pk)


@require_POST
@page(Permission.IDENTITY_MANAGE)
def person_close(request: PageRequest, person_id: UUID) -> HttpResponse:
    one = _visible_person(request, person_id)
    deactivate_person(one, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"The account of {one.name} is closed.")
    return redirect("identity:person", one.pk)


@require_POST
@page(Permission.IDENTITY_MANAGE)
def person_open(request: PageRequest, person_id: UUID) -> HttpResponse:
    one = _visible_person(request, person_id)
    reactivate_person(one, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"The account of {one.name} is open again.")
    return redirect("identity:person", one.pk)


@require_POST
@page(Permission.IDENTITY_MANAGE)
@never_cache
def password_reset(request: PageRequest, person_id: UUID) -> HttpResponse:
    """A password that is shown once and has to be changed at the next sign-in."""
    one = _visible_person(request, person_id)
    once = reset_password(one, reason=request.POST.get("reason", ""), actor=request.actor)
    context = {"email": one.person.email, "password": once, "is_reset": True}
    return render(request, "identity/person_made.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.IDENTITY_MANAGE)
def team_form(request: PageRequest, team_id: UUID | None = None) -> HttpResponse:
    """Make a team, or rename one and place it under another."""
    require(request.actor, Permission.IDENTITY_MANAGE)
    team = get_object_or_404(queries.teams_visible_to(request.actor), pk=team_id) if team_id else None
    initial = {"name": team.name, "parent": team.parent_id} if team else {}
    form = TeamForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        stated = form.cleaned_data
        try:
            if team:
                edit_team(team, stated["name"], parent=stated["parent"], actor=request.actor)
            else:
                create_team(stated["name"], parent=stated["parent"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The team {stated['name']} is kept.")
            return redirect("identity:people")
    context = {"form": form, "team": team}
    return render(request, "identity/team_form.html", context, status=422 if form.errors else 200)


def _visible_person(request: PageRequest, person_id: UUID) -> Principal:
    return get_object_or_404(queries.people_visible_to(request.actor), pk=person_id)


def _person(request: PageRequest, one: Principal, form: RoleForm) -> HttpResponse:
    context = {
        "one": one,
        "form": form,
        "may_manage": access_of(request.actor).allows(Permission.IDENTITY_MANAGE),
        "is_self": one.pk == request.actor.pk,
        "timeline": queries.timeline_of("principal", one.pk)[:20],
    }
    return render(request, "identity/person.html", context, status=422 if form.errors else 200)


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
    names = names_of(shown.rows)
    for entry in shown.rows:
        entry.target_name = names.get((entry.target_type, entry.target_id), "")
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
def ledger_checkpoint(request: PageRequest) -> HttpResponse:
    """The last signed checkpoint as a file, to keep where nobody of this installation can change it."""
    require(request.actor, Permission.LEDGER_VIEW)
    last = LedgerCheckpoint.objects.order_by("-tree_size").first()
    if last is None:
        raise NotFound("No checkpoint is signed yet; the first comes with the first entry.")
    response = HttpResponse(last.note, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="chancery-checkpoint-{last.tree_size}.txt"'
    return response


@require_safe
@page(Permission.LEDGER_VIEW)
def ledger_entry(request: PageRequest, entry_id: int) -> HttpResponse:
    """One entry: its words, its exact bytes, its place in the tree."""
    entry = get_object_or_404(queries.ledger_visible_to(request.actor), pk=entry_id)
    context = {
        "entry": entry,
        "body": bytes(entry.body).decode(),
        "leaf": getattr(entry, "leaf", None),
        "name": names_of([entry]).get((entry.target_type, entry.target_id), ""),
    }
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
