"""Setting when breakers trip by themselves: for the fleet, for a tier, for one agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, NotFound, StaleWrite, require_reason
from apps.oversight.limits import CAUSES, Limit
from apps.oversight.models import BreakerRule

TIERS = (1, 2, 3, 4)
WITHOUT_SHARE = ("violations", "anomalies", "spend", "outcomes")


@dataclass(frozen=True)
class Whose:
    """Whose limit is meant: of one agent, of one tier, or of the fleet (neither)."""

    agent: Agent | None = None
    tier: int | None = None

    @property
    def words(self) -> str:
        if self.agent is not None:
            return self.agent.name
        return f"tier {self.tier}" if self.tier is not None else "the fleet"


@dataclass(frozen=True)
class LimitRequest:
    """What is chosen for one cause. `share_percent` None: any share of its calls."""

    cause: str
    is_on: bool
    threshold: int
    window_s: int
    share_percent: int | None = None


@transaction.atomic
def set_limit(
    whose: Whose, request: LimitRequest, *, actor: Principal, reason: str, version: int | None = None
) -> BreakerRule:
    """Choose when breakers trip of one cause, from the next call on. `version` refuses a stale write (0: none yet)."""
    _require(whose, actor)
    require_reason(reason, "Say why; it is kept in the ledger")
    held = _held(whose, request.cause)
    if version is not None and version != (held.version if held else 0):
        raise StaleWrite("This limit was changed meanwhile; look at it again.")
    rule = held or BreakerRule(agent=whose.agent, tier=whose.tier, cause=request.cause, version=0)
    before = _words(rule) if held else None
    rule.is_on, rule.threshold, rule.window_s = request.is_on, request.threshold, request.window_s
    rule.share_percent, rule.updated_by, rule.version = request.share_percent, actor, rule.version + 1
    _check(whose, rule)
    rule.save()
    _record("limit_set", whose, rule, actor, reason, before=before, words=_words(rule))
    return rule


@transaction.atomic
def drop_limit(whose: Whose, cause: str, *, actor: Principal, reason: str) -> None:
    """Go back to what holds without this choice."""
    _require(whose, actor)
    require_reason(reason, "Say why; it is kept in the ledger")
    held = _held(whose, cause)
    if held is None:
        raise NotFound(f"Nothing is chosen for {whose.words} here.", code="oversight.limit.none")
    _record("limit_dropped", whose, held, actor, reason, before=_words(held))
    held.delete()


def _require(whose: Whose, actor: Principal) -> None:
    if whose.agent is not None:
        require_for(actor, Permission.POLICY_EDIT, whose.agent)
    else:
        require(actor, Permission.POLICY_EDIT)


def _held(whose: Whose, cause: str) -> BreakerRule | None:
    rows = BreakerRule.objects.select_for_update(of=("self",))
    return rows.filter(agent=whose.agent, tier=whose.tier, cause=cause).first()


def _check(whose: Whose, rule: BreakerRule) -> None:
    fields: dict[str, str] = {}
    if rule.cause not in CAUSES:
        fields["cause"] = f"Choose one of {', '.join(CAUSES)}"
    if whose.tier is not None and whose.tier not in TIERS:
        fields["tier"] = "Choose a tier from 1 to 4"
    if rule.cause == "outcomes" and rule.threshold != 1:
        fields["threshold"] = "One fall trips it: enter 1"
    if rule.share_percent is not None and rule.cause in WITHOUT_SHARE:
        fields["share_percent"] = "Only denied and failed calls are held against a share"
    try:
        rule.clean_fields(exclude=["updated_by", "agent", "cause", "tier"])
    except ValidationError as error:
        fields |= {name: str(words[0]) for name, words in error.message_dict.items() if name not in fields}
    if fields:
        raise InvalidInput("The limit was not set.", fields=fields)


def _words(rule: BreakerRule) -> str:
    if not rule.is_on:
        return f"{rule.cause} never"
    window = timedelta(seconds=rule.window_s)
    return Limit(rule.cause, rule.is_on, rule.threshold, window, rule.share_percent).words


def _record(
    verb: str, whose: Whose, rule: BreakerRule, actor: Principal, reason: str, **detail: str | None
) -> None:
    target = ("agent", whose.agent.pk) if whose.agent is not None else ("fleet", "breakers")
    told = {"cause": rule.cause, "tier": whose.tier, "whose": whose.words, **detail}
    record_act(f"oversight.breaker.{verb}", actor=actor, target=target, reason=reason.strip(), detail=told)
