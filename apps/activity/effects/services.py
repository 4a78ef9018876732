"""Declaring how a tool's calls are read back, taking that back, and trying it on calls that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from apps.activity.effects.asking import PURPOSE, question_of
from apps.activity.effects.enlisting import LEAVES_SOMETHING, SETTLES
from apps.activity.effects.judging import Judged, judge_observed
from apps.activity.effects.reading import facts_of, later_calls
from apps.activity.effects.rules import PLACEHOLDER, Rule, check_rule, rule_of
from apps.activity.effects.words import rule_in_words
from apps.activity.models import ReadBack, ToolCall
from apps.agents.models import ObservedTool, Tool
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, StaleWrite, require_reason
from apps.kit.ids import first_id_at
from apps.kit.outgoing import check_address
from apps.kit.sealing import seal

TRIED = 20
TRIED_OF_AGENTS = 20
TRIED_BACK = timedelta(days=30)


@dataclass(frozen=True)
class Draft:
    """What is to be declared. An empty secret keeps the one there is, unless `drops_secret`."""

    rule: Rule
    secret: str = field(default="", repr=False)
    drops_secret: bool = False


@dataclass(frozen=True)
class Tried:
    """One past call under a rule that is tried: what it would have come to, or the address it would ask."""

    call: ToolCall
    judged: Judged
    url: str = ""
    why: str = ""


def declare_read_back(
    tool: Tool, draft: Draft, *, actor: Principal, reason: str = "", after: int | None = None
) -> ReadBack:
    """A new version; it holds for calls that are heard of from now on. What is the same is no new version.

    `after` is the number that was read (0: there was none) and refuses a stale write. The address is looked up before
    anything is written: no network within a transaction.
    """
    require(actor, Permission.AGENTS_CURATE)
    check_rule(draft.rule)
    if draft.rule.is_asked:
        require(actor, Permission.OUTGOING_MANAGE)  # the address is told values of calls
        _check_address(draft.rule.asked.url)
    with transaction.atomic():
        tool = _locked(tool)
        standing = tool.read_backs.standing().first()
        _require_fresh(standing, after)
        if tool.side_effect not in LEAVES_SOMETHING:
            raise Conflict(
                f"{tool} is not on record as one that leaves something behind. Say so first.",
                code="activity.read_back.reads_only",
            )
        secret = _secret(draft, standing)
        if standing and (standing.rule, standing.secret) == (draft.rule.as_json(), secret):
            return standing
        return _declare(tool, draft.rule, secret, actor=actor, reason=reason)


@transaction.atomic
def remove_read_back(tool: Tool, *, actor: Principal, reason: str) -> None:
    """No further call is read back; what was found stays. Conflict where none is declared."""
    require(actor, Permission.AGENTS_CURATE)
    require_reason(reason, "Say why its calls are no longer read back")
    tool = _locked(tool)
    if not tool.read_backs.standing().update(ended_at=timezone.now()):
        raise Conflict(f"No read-back of {tool} is declared.", code="activity.read_back.none")
    _record("removed", tool, actor, reason)


def try_read_back(tool: Tool, rule: Rule, *, actor: Principal) -> list[Tried]:
    """The last 20 successful calls of the tool that the actor may see, as the rule would have judged them. Nothing is
    asked and nothing is written."""
    require(actor, Permission.AGENTS_CURATE)
    check_rule(rule)
    return [_try(call, rule, actor) for call in last_calls(tool, actor=actor)]


def last_calls(tool: Tool, *, actor: Principal) -> list[ToolCall]:
    """Of the 20 agents that used it last, within 30 days; two queries."""
    users = ObservedTool.objects.filter(tool_name=tool.name, mcp_server=tool.server).order_by("-last_seen")
    agents = list(users.values_list("agent_id", flat=True)[:TRIED_OF_AGENTS])
    calls = ToolCall.objects.visible_to(actor).filter(
        agent__in=agents, tool_name=tool.name, mcp_server=tool.server, status=ToolCall.Status.OK,
        pk__gte=first_id_at(timezone.now() - TRIED_BACK),
    )  # fmt: skip
    return list(calls.select_related("agent").order_by("-pk")[:TRIED])


def _try(call: ToolCall, rule: Rule, actor: Principal) -> Tried:
    if rule.is_asked:
        question = question_of(rule.asked.url, facts_of(call))
        return Tried(call, Judged(), question.url, question.why)
    later = later_calls(call, rule.watched, rule.within_s, actor=actor)
    over = (call.ended_at or call.started_at) + timedelta(seconds=rule.within_s) + SETTLES
    judged = judge_observed(rule, facts_of(call), later, is_over=over <= timezone.now())
    return Tried(call, judged, why=judged.why)


def _declare(tool: Tool, rule: Rule, secret: str, *, actor: Principal, reason: str) -> ReadBack:
    now = timezone.now()
    tool.read_backs.standing().update(ended_at=now)
    newest = tool.read_backs.order_by("-number").values_list("number", flat=True).first() or 0
    made = ReadBack.objects.create(
        tool=tool, number=newest + 1, rule=rule.as_json(), secret=secret, reason=reason.strip(), declared_by=actor,
        declared_at=now,
    )  # fmt: skip
    told = {"number": made.number, "words": rule_in_words(rule), "rule": made.rule, "secret": made.has_secret}
    _record("declared", tool, actor, reason, **told)
    return made


def _locked(tool: Tool) -> Tool:
    """The tool's row: one act on its read-back at a time."""
    return Tool.objects.select_for_update(of=("self",), no_key=True).get(pk=tool.pk)


def _require_fresh(standing: ReadBack | None, after: int | None) -> None:
    number = standing.number if standing else 0
    if after is not None and after != number:
        raise StaleWrite(f"The read-back was changed meanwhile; it is at version {number} now.")


def _check_address(url: str) -> None:
    try:
        check_address(PLACEHOLDER.sub("x", url))
    except InvalidInput as error:
        raise InvalidInput(error.message, fields={"address.url": error.fields["url"]}) from error


def _secret(draft: Draft, standing: ReadBack | None) -> str:
    """Sealed. A kept one goes only where whoever entered it sent it."""
    if not draft.rule.is_asked or draft.drops_secret:
        return ""
    if draft.secret:
        return seal(draft.secret, PURPOSE)
    if standing is None or not standing.secret:
        return ""
    former = rule_of(standing.rule)
    if not former.is_asked or _origin(former) != _origin(draft.rule):
        raise InvalidInput(
            "The read-back was not saved.",
            fields={"secret": "Enter the token again, or drop it: it was kept for another address"},
        )
    return standing.secret


def _origin(rule: Rule) -> Sequence[str]:
    return urlsplit(rule.asked.url)[:2]


def _record(verb: str, tool: Tool, actor: Principal, reason: str, **told: Any) -> None:
    record_act(
        f"activity.read_back.{verb}",
        actor=actor,
        target=("tool", tool.pk),
        reason=reason.strip(),
        detail={"name": str(tool), **told},
    )
