"""Reading the inbox: which agents candidates may be, facets, the lists of its three parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from apps.agents.matching import HIGH, MEDIUM, Found, address_of, declared_id_of, plain_name
from apps.agents.models import Agent, AgentAlias, Candidate, Evidence, SourceKind, State, agent_id_of, plain
from apps.identity.models import Principal
from apps.kit.ids import id_or_none
from apps.kit.ui.parts import Option

GONE = (State.RETIRED,)


@dataclass(frozen=True)
class Match:
    """An agent that a candidate may be, and why; `score` is between 0 and 1."""

    agent: Agent
    score: float
    why: str


def strong_matches(candidates: Sequence[Candidate]) -> dict[Candidate, tuple[Agent, str]]:
    """The one agent of its own team that a candidate is, by declared id, address, or repository and name.

    None when two agents fit: then a person decides. Three queries.
    """
    found = _findings([one.pk for one in candidates])
    wanted = {one: _strong_keys(one, found.get(one.pk, [])) for one in candidates}
    keys = [key for pairs in wanted.values() for key in pairs]
    condition = _condition(keys)
    if condition is None:
        return {}
    agents = list(
        Agent.objects.on_record().exclude(state__in=GONE).filter(condition).annotate(plain_name=plain("name"))
    )
    matched: dict[Candidate, tuple[Agent, str]] = {}
    for candidate, pairs in wanted.items():
        fitting = {agent: why for agent in agents if (why := _why(agent, candidate, pairs))}
        if len(fitting) == 1:
            matched[candidate] = next(iter(fitting.items()))
    return matched


def _findings(candidates: Iterable[UUID]) -> dict[UUID, list[tuple[Found, str]]]:
    """Each candidate's findings with their sources; one query."""
    grouped: dict[UUID, list[tuple[Found, str]]] = {}
    for candidate, source, finding in Evidence.objects.filter(candidate__in=list(candidates)).values_list(
        "candidate_id", "source", "finding"
    ):
        grouped.setdefault(candidate, []).append((found_of(finding), source))
    return grouped


def found_of(finding: Mapping[str, Any]) -> Found:
    """A stored finding as it was reported."""
    return Found(**{key: finding[key] for key in Found.__dataclass_fields__ if key in finding})


def _strong_keys(candidate: Candidate, found: list[tuple[Found, str]]) -> set[tuple[str, str]]:
    keys: set[tuple[str, str]] = set()
    for one, source in found:
        if declared := declared_id_of(one):
            keys.add(("declared", declared))
        if address := address_of(one):
            keys.add(("address", address))
        if source.startswith(("http://", "https://", "ssh://")) and one.name:
            keys.add(("repository", repository_of(source)))
    return keys


def repository_of(source: str) -> str:
    return source.removesuffix("/").removesuffix(".git")


def _condition(keys: list[tuple[str, str]]) -> Q | None:
    condition = Q(pk=None)
    numbers = [
        number for kind, key in keys if kind == "declared" and (number := agent_id_of(key)) is not None
    ]
    ids = [identifier for kind, key in keys if kind == "declared" and (identifier := id_or_none(key))]
    addresses = [form for kind, key in keys if kind == "address" for form in (key, f"{key}/")]
    places = [form for kind, key in keys if kind == "repository" for form in (key, f"{key}.git", f"{key}/")]
    condition |= Q(number__in=numbers) | Q(pk__in=ids)
    condition |= Q(endpoints__overlap=addresses) if addresses else Q(pk=None)
    condition |= Q(repository__in=places) if places else Q(pk=None)
    return condition if keys else None


def _why(agent: Any, candidate: Candidate, keys: set[tuple[str, str]]) -> str:
    """Why this agent is the candidate; '' when it is not. A source speaks for its own team's agents only."""
    if agent.team_id != candidate.team_id:
        return ""
    if ("declared", agent.ref) in keys or ("declared", str(agent.pk)) in keys:
        return "it declares this id"
    if any(("address", one.rstrip("/")) in keys for one in agent.endpoints):
        return "it answers at the same address"
    is_here = bool(agent.repository) and ("repository", repository_of(agent.repository)) in keys
    return "same repository and name" if is_here and agent.plain_name == plain_name(candidate.name) else ""


def likely_matches(candidates: Sequence[Candidate], actor: Principal) -> dict[UUID, Match]:
    """For each candidate the visible agent most like it by name; two queries however many candidates."""
    names = {plain_name(one.name) for one in candidates} - {""}
    visible = Agent.objects.visible_to(actor).on_record().exclude(state__in=GONE)
    by_name: dict[str, list[Any]] = {}
    for agent in visible.annotate(plain_name=plain("name")).filter(plain_name__in=names):
        by_name.setdefault(agent.plain_name, []).append(agent)
    aliases = AgentAlias.objects.filter(agent__in=visible).annotate(plain_name=plain("agent_name"))
    for alias in aliases.filter(plain_name__in=names).select_related("agent"):
        by_name.setdefault(alias.plain_name, []).append(alias.agent)
    found = {one.pk: _best(one, by_name.get(plain_name(one.name), [])) for one in candidates}
    return {pk: match for pk, match in found.items() if match is not None}


def _best(candidate: Candidate, agents: list[Agent]) -> Match | None:
    """Same name counts half, team three tenths, framework two."""
    scored = [(_score(candidate, agent), agent) for agent in agents]
    if not scored:
        return None
    score, agent = max(scored, key=lambda pair: (pair[0], -pair[1].number))
    reasons = ["same name"]
    reasons += ["same team"] if agent.team_id == candidate.team_id else []
    reasons += ["same framework"] if _same_framework(candidate, agent) else []
    return Match(agent, score, ", ".join(reasons))


def _score(candidate: Candidate, agent: Agent) -> float:
    return 0.5 + 0.3 * (agent.team_id == candidate.team_id) + 0.2 * _same_framework(candidate, agent)


def _same_framework(candidate: Candidate, agent: Agent) -> bool:
    return bool(agent.framework) and plain_name(agent.framework) == plain_name(candidate.framework)


def candidate_facets(candidates: QuerySet[Candidate]) -> dict[str, list[Option]]:
    """Values of each filter with their counts among these candidates; four queries."""
    frameworks = _counted(candidates, "framework")
    kinds = _counted(candidates, "kind")
    sources = dict(
        Evidence.objects.filter(candidate__in=candidates)
        .order_by()
        .values_list("source_kind")
        .annotate(count=Count("candidate", distinct=True))
    )
    sure = candidates.order_by().aggregate(
        high=Count("pk", filter=Q(confidence__gte=HIGH)),
        medium=Count("pk", filter=Q(confidence__gte=MEDIUM, confidence__lt=HIGH)),
        low=Count("pk", filter=Q(confidence__lt=MEDIUM)),
    )
    return {
        "source_kind": [Option(v, label, sources[v]) for v, label in SourceKind.choices if v in sources],
        "confidence": [Option(v, v.capitalize(), sure[v]) for v in ("high", "medium", "low") if sure[v]],
        "kind": [Option(value, value, count) for value, count in kinds],
        "framework": [Option(value, value, count) for value, count in frameworks],
    }


def _counted(candidates: QuerySet[Candidate], column: str) -> list[tuple[str, int]]:
    rows = candidates.exclude(**{column: ""}).order_by().values_list(column).annotate(count=Count("pk"))
    return list(rows.order_by(F("count").desc(), column)[:12])
