"""Writing policies: drafts, a second person's review, how far and in which mode each applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.text import slugify

from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, StaleWrite, require_reason
from apps.oversight.cedar.kinds import write_cedar
from apps.oversight.cedar.reading import BadPolicy, Read, read_policy
from apps.oversight.cedar.schema import problems_of
from apps.oversight.examples import tried
from apps.oversight.models import Policy, PolicyExample, PolicyMode, PolicyVersion
from apps.oversight.vocabulary import known_to

MOST_POLICIES = 2000
OUTCOMES = ("allow", "notify", "ask", "deny")


@dataclass(frozen=True)
class Wording:
    """Cedar by hand in `text`, or a form's `kind` and `answers` with what a match comes to and the words for it."""

    text: str = ""
    kind: str = ""
    answers: Mapping[str, Any] | None = None
    outcome: str = "deny"
    words: str = ""

    @property
    def form(self) -> dict[str, Any] | None:
        if not self.kind:
            return None
        return {
            "kind": self.kind,
            "answers": dict(self.answers or {}),
            "outcome": self.outcome,
            "words": self.words,
        }


@dataclass(frozen=True)
class NewPolicy:
    """What a policy is called and for whom: the fleet, or a team and those below it."""

    name: str
    wording: Wording
    team: Team | None = None
    description: str = ""
    slug: str = ""


def checked(wording: Wording, *, actor: Principal) -> tuple[Read, list[str]]:
    """The wording taken apart, with warnings. Raises InvalidInput on the field `text`, or `answers` where a form wrote it."""
    field = "answers" if wording.kind else "text"
    try:
        text = (
            write_cedar(wording.kind, wording.answers or {}, outcome=wording.outcome, words=wording.words)
            if wording.kind
            else wording.text
        )
        read = read_policy(text)
    except BadPolicy as error:
        raise InvalidInput("The policy cannot be used.", fields={field: _sentence(str(error))}) from error
    errors, warnings = problems_of(read, known_to(actor))
    if errors:
        raise InvalidInput("The policy cannot be used.", fields={field: " ".join(map(_sentence, errors))})
    return read, warnings


@transaction.atomic
def create_policy(new: NewPolicy, *, actor: Principal) -> Policy:
    """A policy with its first draft. It applies to nobody until somebody else has approved a version."""
    require(actor, Permission.POLICY_EDIT, new.team.pk if new.team else None)
    if not new.name.strip():
        raise InvalidInput("The policy was not made.", fields={"name": "Give it a name"})
    if Policy.objects.count() >= MOST_POLICIES:
        raise Conflict(f"There are {MOST_POLICIES} policies already; retire some.", code="policy.too_many")
    slug = slugify(new.slug or new.name)[:80]
    if not slug or Policy.objects.filter(slug=slug).exists():
        raise InvalidInput("The policy was not made.", fields={"name": "Another policy is called so"})
    policy = Policy.objects.create(
        slug=slug, name=new.name.strip(), description=new.description.strip(), team=new.team
    )
    _record("created", policy, actor, detail={"name": policy.name, "team": new.team.name if new.team else ""})
    _add_version(policy, new.wording, actor)
    return policy


@transaction.atomic
def draft_version(policy: Policy, wording: Wording, *, actor: Principal) -> PolicyVersion:
    """A new draft; an older draft of the same policy is replaced."""
    policy = _locked(policy, actor)
    policy.versions.filter(state=PolicyVersion.State.DRAFT).delete()
    return _add_version(policy, wording, actor)


@transaction.atomic
def propose_version(version: PolicyVersion, *, actor: Principal, reason: str) -> PolicyVersion:
    """Ask a second person. Refused while an example comes out otherwise than it should."""
    policy = _locked(version.policy, actor)
    version = _version(version, PolicyVersion.State.DRAFT)
    require_reason(reason, "Say what it is for, to whoever reviews it")
    failed = [one.name for one, got in tried(version) if got.outcome != one.expected]
    if failed:
        raise Conflict(
            f"Examples come out otherwise than they should: {', '.join(failed[:5])}.",
            code="policy.examples_fail",
        )
    version.state, version.reason, version.proposed_at = (
        PolicyVersion.State.PROPOSED,
        reason.strip(),
        timezone.now(),
    )
    version.save(update_fields=["state", "reason", "proposed_at"])
    _record("version_proposed", policy, actor, reason, _of(version))
    return version


@transaction.atomic
def review_version(
    version: PolicyVersion, *, actor: Principal, approves: bool, reason: str, percent: int = 100
) -> PolicyVersion:
    """The second person's word. An approved version applies at once to `percent` of the agents in its scope."""
    policy = _locked(version.policy, actor)
    version = _version(version, PolicyVersion.State.PROPOSED)
    if version.author_id == actor.pk:
        raise NotPermitted("Somebody else reviews what you wrote.", code="policy.own_version")
    if not approves:
        require_reason(reason, "Say what has to change")
    version.state = PolicyVersion.State.APPROVED if approves else PolicyVersion.State.REFUSED
    version.reviewer, version.reviewed_at, version.review_reason = actor, timezone.now(), reason.strip()
    version.save(update_fields=["state", "reviewer", "reviewed_at", "review_reason"])
    _record(f"version_{version.state}", policy, actor, reason, _of(version))
    if approves:
        _apply(policy, version, percent, actor)
    return version


@transaction.atomic
def roll_out(policy: Policy, percent: int, *, actor: Principal, version: int | None = None) -> Policy:
    """Widen or narrow the share of agents that the newest approved version applies to; at 100 it replaces the older one."""
    policy = _locked(policy, actor, version)
    if policy.candidate is None:
        raise Conflict("No newer version is being rolled out.", code="policy.no_candidate")
    _apply(policy, policy.candidate, percent, actor)
    return policy


@transaction.atomic
def roll_back(policy: Policy, *, actor: Principal, reason: str, version: int | None = None) -> Policy:
    """Back to what applied before: a version that is being rolled out is taken back, else the one before the active."""
    policy = _locked(policy, actor, version)
    require_reason(reason, "Say why it is taken back")
    leaving = policy.candidate or policy.active
    if leaving is None:
        raise Conflict("Nothing of it applies.", code="policy.not_in_force")
    if policy.candidate is None:
        earlier = policy.versions.filter(state=PolicyVersion.State.APPROVED, number__lt=leaving.number)
        policy.active = earlier.order_by("-number").first()
    policy.candidate, policy.candidate_percent = None, 0
    _save(policy, "active", "candidate", "candidate_percent")
    now = policy.active.number if policy.active else None
    _record("rolled_back", policy, actor, reason, {"from": leaving.number, "to": now})
    return policy


@transaction.atomic
def set_policy_mode(
    policy: Policy, mode: str, *, actor: Principal, reason: str, version: int | None = None
) -> Policy:
    """Shadow, warn or enforce, with the reason in the ledger."""
    policy = _locked(policy, actor, version)
    if mode not in PolicyMode.values:
        raise InvalidInput("The mode was not set.", fields={"mode": f"One of {', '.join(PolicyMode.values)}"})
    require_reason(reason, "Say why, for instance what it would have refused so far")
    before, policy.mode = policy.mode, mode
    _save(policy, "mode")
    _record("mode_set", policy, actor, reason, {"before": before, "after": mode})
    return policy


@transaction.atomic
def retire_policy(policy: Policy, *, actor: Principal, reason: str, version: int | None = None) -> Policy:
    """It applies to nobody any more and stays on record."""
    policy = _locked(policy, actor, version)
    require_reason(reason, "Say why it is given up")
    policy.retired_at = timezone.now()
    _save(policy, "retired_at")
    _record("retired", policy, actor, reason)
    return policy


@transaction.atomic
def set_example(
    policy: Policy, name: str, question: Mapping[str, Any], expected: str, *, actor: Principal
) -> PolicyExample:
    """Keep a call and what it must come to; one of the same name is replaced."""
    policy = _locked(policy, actor)
    if not name.strip() or expected not in OUTCOMES:
        raise InvalidInput(
            "The example was not kept.", fields={"expected": f"One of {', '.join(OUTCOMES)}, and a name"}
        )
    example, _ = PolicyExample.objects.update_or_create(
        policy=policy,
        name=name.strip()[:120],
        defaults={"question": dict(question), "expected": expected, "created_by": actor},
    )
    _record("example_set", policy, actor, detail={"name": example.name, "expected": expected})
    return example


@transaction.atomic
def drop_example(example: PolicyExample, *, actor: Principal) -> None:
    policy = _locked(example.policy, actor)
    example.delete()
    _record("example_dropped", policy, actor, detail={"name": example.name})


def _apply(policy: Policy, version: PolicyVersion, percent: int, actor: Principal) -> None:
    if not 0 <= percent <= 100:
        raise InvalidInput("It was not rolled out.", fields={"percent": "0 to 100"})
    whole = percent == 100
    policy.candidate, policy.candidate_percent = (None, 0) if whole else (version, percent)
    policy.active = version if whole else policy.active
    _save(policy, "active", "candidate", "candidate_percent")
    _record("rolled_out", policy, actor, detail={"version": version.number, "percent": percent})


def _add_version(policy: Policy, wording: Wording, actor: Principal) -> PolicyVersion:
    read, warnings = checked(wording, actor=actor)
    last = policy.versions.aggregate(last=Max("number"))["last"] or 0
    version = PolicyVersion.objects.create(
        policy=policy,
        number=last + 1,
        form=wording.form,
        text=read.text,
        effect=read.effect,
        outcome=read.outcome,
        words=read.words,
        obligations=[dict(one) for one in read.obligations],
        counters=read.counters_text,
        needs_session=read.needs_session,
        tool=read.tool,
        server=read.server,
        agent=read.agent,
        team_name=read.team,
        digest=sha256(read.text.encode()).hexdigest(),
        warnings=warnings,
        author=actor,
    )
    _record("drafted", policy, actor, detail=_of(version))
    return version


def _locked(policy: Policy, actor: Principal, version: int | None = None) -> Policy:
    """The policy for whoever may edit it: one writer at a time. `version` refuses a stale write."""
    policy = (
        Policy.objects.select_for_update(of=("self",)).select_related("active", "candidate").get(pk=policy.pk)
    )
    require(actor, Permission.POLICY_EDIT, policy.team_id)
    if policy.retired_at is not None:
        raise Conflict("This policy is retired.", code="policy.retired")
    if version is not None and version != policy.version:
        raise StaleWrite(f"The policy was changed meanwhile; it is at version {policy.version} now.")
    return policy


def _version(version: PolicyVersion, state: str) -> PolicyVersion:
    version = PolicyVersion.objects.select_related("policy").get(pk=version.pk)
    if version.state != state:
        words = PolicyVersion.State(version.state).label.lower()
        raise Conflict(f"Version {version.number} is not where this is done: {words}.", code="policy.state")
    return version


def _save(policy: Policy, *columns: str) -> None:
    policy.version += 1
    policy.save(update_fields=[*columns, "version", "updated_at"])


def _of(version: PolicyVersion) -> dict[str, Any]:
    return {"version": version.number, "digest": version.digest}


def _record(
    what: str, policy: Policy, actor: Principal, reason: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    told = {"policy": policy.name, **(detail or {})}
    record_act(
        f"oversight.policies.{what}",
        actor=actor,
        target=("policy", policy.pk),
        reason=reason.strip(),
        detail=told,
    )


def _sentence(words: str) -> str:
    text = words[:1].upper() + words[1:]
    return text if text.endswith((".", ")", "]", '"')) else f"{text}."
