"""MCP servers behind the gateway: put on record, changed, switched on and off, removed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, DomainError, InvalidInput, StaleWrite, require_reason
from apps.kit.outgoing import check_address
from apps.kit.sealing import seal
from apps.oversight.gateway.commands import is_allowed_command, is_allowed_variable
from apps.oversight.models import McpUpstream

Auth = McpUpstream.Auth
PURPOSE = "MCP server secret"
SLUG = re.compile(r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$")
TAKEN = frozenset({"agent"})  # in policies, agent/<slug> is a call of another agent
PLACES = ("url", "command", "auth", "token_url", "client_id", "secret_variable")
LIMITS = {"deadline_s": 600, "most_at_once": 500}
TOLD = (
    "name",
    "team",
    "url",
    "command",
    "auth",
    "secret_variable",
    "client_id",
    "token_url",
    "oauth_scope",
    *LIMITS,
)


@dataclass(frozen=True)
class UpstreamDraft:
    """What a server is to be. `secret` '' keeps the one that is stored; `command` is a program and its arguments."""

    slug: str
    name: str
    team: Team | None = None
    url: str = ""
    command: Sequence[str] = field(default_factory=list)
    auth: str = Auth.NONE
    secret: str = ""
    secret_variable: str = ""
    client_id: str = ""
    token_url: str = ""
    oauth_scope: str = ""
    deadline_s: int = 30
    most_at_once: int = 32


def create_upstream(draft: UpstreamDraft, *, actor: Principal) -> McpUpstream:
    """Names of addresses are looked up before anything is written: no network within a transaction."""
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    draft = _cleaned(draft)
    _check(draft, None)
    if McpUpstream.objects.filter(slug=draft.slug).exists():
        raise Conflict("There is an MCP server of this short name already.", code="oversight.upstream.exists")
    with transaction.atomic():
        upstream = McpUpstream(slug=draft.slug, created_by=actor)
        _take(upstream, draft)
        upstream.save(force_insert=True)
        _record("created", upstream, actor, detail={"place": _place(upstream), "auth": upstream.auth})
    return upstream


def edit_upstream(
    upstream: McpUpstream, draft: UpstreamDraft, *, actor: Principal, version: int | None = None
) -> McpUpstream:
    """Change it; its short name stays, for policies name it. A stored secret goes to no other place: it is entered again."""
    require(actor, Permission.OUTGOING_MANAGE, upstream.team_id)
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    draft = replace(_cleaned(draft), slug=upstream.slug)
    _check(draft, upstream)
    with transaction.atomic():
        upstream = _locked(upstream)
        if version is not None and version != upstream.version:
            raise StaleWrite(f"It was changed meanwhile; it is at version {upstream.version} now.")
        changes = _take(upstream, draft)
        if not changes:
            return upstream
        _save(upstream)
        _record("edited", upstream, actor, detail={"changes": changes})
    return upstream


@transaction.atomic
def enable_upstream(upstream: McpUpstream, *, actor: Principal) -> McpUpstream:
    return _switch(upstream, True, actor, "")


@transaction.atomic
def disable_upstream(upstream: McpUpstream, *, actor: Principal, reason: str) -> McpUpstream:
    """Nothing is carried to it from the next second on."""
    require_reason(reason, "Say why nothing is carried to it")
    return _switch(upstream, False, actor, reason.strip())


@transaction.atomic
def remove_upstream(upstream: McpUpstream, *, actor: Principal, reason: str) -> None:
    """Its definitions go with it; the ledger keeps what was judged."""
    require(actor, Permission.OUTGOING_MANAGE, upstream.team_id)
    require_reason(reason, "Say why it is removed")
    upstream = _locked(upstream)
    _record("removed", upstream, actor, reason=reason.strip())
    upstream.delete()


def _switch(upstream: McpUpstream, on: bool, actor: Principal, reason: str) -> McpUpstream:
    require(actor, Permission.OUTGOING_MANAGE, upstream.team_id)
    upstream = _locked(upstream)
    if upstream.is_enabled == on:
        raise Conflict(f"It is {'on' if on else 'off'} already.", code="oversight.upstream.switched_already")
    upstream.is_enabled = on
    _save(upstream)
    _record("enabled" if on else "disabled", upstream, actor, reason=reason)
    return upstream


def _cleaned(draft: UpstreamDraft) -> UpstreamDraft:
    """Without blanks around, and without what its kind of server has no use for."""
    texts = ("slug", "name", "url", "secret", "secret_variable", "client_id", "token_url", "oauth_scope")
    stated = {name: getattr(draft, name).strip() for name in texts}
    oauth, command = draft.auth == Auth.OAUTH, [one for one in draft.command if one]
    if not oauth:
        stated |= {"client_id": "", "token_url": "", "oauth_scope": ""}
    if not command or draft.auth != Auth.BEARER:
        stated["secret_variable"] = ""
    return replace(draft, **stated, command=command)


def _check(draft: UpstreamDraft, known: McpUpstream | None) -> None:
    problems = _place_problems(draft) | _secret_problems(draft, known)
    if known is None and (not SLUG.fullmatch(draft.slug) or draft.slug in TAKEN):
        problems["slug"] = "Small letters, digits and single hyphens, such as order-desk; not agent"
    if not draft.name:
        problems["name"] = "Enter a name that people know it by"
    for name, most in LIMITS.items():
        if not 1 <= getattr(draft, name) <= most:
            problems[name] = f"Enter a number from 1 to {most}"
    if problems:
        raise InvalidInput("The MCP server was not saved.", fields=problems)


def _place_problems(draft: UpstreamDraft) -> dict[str, str]:
    problems = {}
    if bool(draft.url) == bool(draft.command):
        problems["url"] = "Enter an address, or a command, and not both"
    elif draft.command and not is_allowed_command(draft.command, settings.GATEWAY_COMMANDS):
        problems["command"] = (
            f"{shlex.join(draft.command)} is not listed in CHANCERY_GATEWAY_COMMANDS: an administrator of the machine decides "
            "which programs a gateway may start"
        )
    elif draft.command and draft.auth == Auth.OAUTH:
        problems["auth"] = "A program that the gateway starts has no use for OAuth"
    for name in ("url", "token_url"):
        try:
            if value := getattr(draft, name):
                check_address(value)
        except DomainError as error:
            problems[name] = error.fields["url"]
    return problems


def _secret_problems(draft: UpstreamDraft, known: McpUpstream | None) -> dict[str, str]:
    problems = {}
    moved = known is None or any(getattr(known, name) != getattr(draft, name) for name in PLACES)
    if draft.auth != Auth.NONE and not draft.secret and moved:
        again = known is not None and bool(known.secret)
        problems["secret"] = (
            "Enter it again: it is not sent to another place" if again else "Enter the secret"
        )
    if draft.auth == Auth.OAUTH:
        problems |= {
            name: words
            for name, words in (
                ("client_id", "Enter the client's id"),
                ("token_url", "Enter where tokens are had"),
            )
            if not getattr(draft, name)
        }
    if draft.command and draft.auth == Auth.BEARER and not is_allowed_variable(draft.secret_variable):
        words = "Enter the environment variable that the program reads, such as GITHUB_TOKEN"
        problems |= {"secret_variable": words}
    return problems


def _take(upstream: McpUpstream, draft: UpstreamDraft) -> dict[str, list[str]]:
    """What the draft says, onto the row; returns what changed, secrets only by saying that they did."""
    changes = {}
    for name in TOLD:
        value = getattr(draft, name)
        if getattr(upstream, name) != value:
            changes[name] = [_words(getattr(upstream, name)), _words(value)]
            setattr(upstream, name, value)
    if draft.secret or (draft.auth == Auth.NONE and upstream.secret):
        changes["secret"] = ["", "a new one" if draft.secret else "none"]
        upstream.secret = seal(draft.secret, PURPOSE) if draft.secret else ""
    return changes


def _save(upstream: McpUpstream) -> None:
    upstream.version += 1
    upstream.changed_at = timezone.now()
    upstream.save()


def _locked(upstream: McpUpstream) -> McpUpstream:
    return McpUpstream.objects.select_for_update(of=("self",)).select_related("team").get(pk=upstream.pk)


def _place(upstream: McpUpstream) -> str:
    return upstream.url or shlex.join(upstream.command)


def _record(
    verb: str,
    upstream: McpUpstream,
    actor: Principal,
    *,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    told = {"name": upstream.name, "slug": upstream.slug} | dict(detail or {})
    target = ("mcp_upstream", upstream.pk)
    record_act(f"oversight.upstream.{verb}", actor=actor, target=target, reason=reason, detail=told)


def _words(value: Any) -> str:
    return shlex.join(value) if isinstance(value, list) else str(value or "")
