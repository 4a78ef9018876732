"""Reading an agent's declaration: where it stands, and where what is so differs from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from apps.agents.drift import other_models, tools_never_seen, tools_not_declared, values_overridden
from apps.agents.fields import CUSTOM, FIELDS, restored, shown, spec_of, spread, words_of
from apps.agents.models import Agent, Claim, Declaration, Dependency, NodeKind, Origin, Tool
from apps.agents.services.declared_things import grant_in, target_of, tool_of


@dataclass(frozen=True)
class Difference:
    """One difference in words, and where the file says otherwise; `grant` is the entry whose leave is not given,
    `claim` what a person may settle."""

    title: str
    words: str
    place: str = ""
    grant: int | None = None
    claim: int | None = None


@dataclass(frozen=True)
class Declared:
    declaration: Declaration
    differences: list[Difference]


def declared_of(agent: Agent) -> Declared | None:
    """None where no repository declares it. About eight queries."""
    declaration = Declaration.objects.filter(agent=agent).select_related("declared_by").first()
    if declaration is None:
        return None
    if declaration.withdrawn_at:
        return Declared(declaration, [])
    parts = (_tools, _models, _values, _grants, _left)
    return Declared(declaration, [one for part in parts for one in part(agent, declaration)])


def _tools(agent: Agent, declaration: Declaration) -> Iterator[Difference]:
    named = {tool_of(entry): f"tools/{at}" for at, entry in enumerate(declaration.body.get("tools", []))}
    unseen = {edge.target_id for edge in tools_never_seen().filter(source_id=agent.pk)}
    others = {edge.target_id: edge for edge in tools_not_declared().filter(source_id=agent.pk)}
    for tool in Tool.objects.filter(pk__in={*unseen, *others}):
        if tool.pk in unseen:
            place = declaration.place_of(named.get((tool.name, tool.server), "tools"))
            yield Difference(f"Never called: {tool}", "It is declared, and no call of it was seen.", place)
        else:
            edge = others[tool.pk]
            words = f"{edge.calls:,} calls, the last on {edge.last_seen:%-d %b %Y}; the declaration does not list it."
            yield Difference(f"Not declared: {tool}", words, declaration.place_of("tools"))


def _models(agent: Agent, declaration: Declaration) -> Iterator[Difference]:
    for edge in other_models().filter(source_id=agent.pk):
        words = f"Seen until {edge.last_seen:%-d %b %Y}; the declaration names another model."
        yield Difference(f"Other model: {target_of(edge)}", words, declaration.place_of("models"))


def _values(agent: Agent, declaration: Declaration) -> Iterator[Difference]:
    for claim in values_overridden().filter(agent=agent):
        now = words_of(claim.field, shown(agent, claim.field)) or "nothing"
        said = words_of(claim.field, restored(claim.field, claim.value)) or "nothing"
        words = f"A person says {now}; declared is {said}."
        place = declaration.place_of(claim.field.replace(".", "/"))
        yield Difference(spec_of(claim.field).label, words, place, claim=claim.pk)


def _grants(agent: Agent, declaration: Declaration) -> Iterator[Difference]:
    held = {(grant.tool.name, grant.tool.server) for grant in agent.grants.active().select_related("tool")}
    for at, entry in enumerate(declaration.body.get("tools", [])):
        name, server = tool_of(entry)
        if grant_in(entry) is not None and (name, server) not in held:
            place = declaration.place_of(f"tools/{at}")
            yield Difference(
                f"Leave asked for: {f'{server}/' if server else ''}{name}", "It is not given.", place, at
            )


def _left(agent: Agent, declaration: Declaration) -> Iterator[Difference]:
    said = {*spread(declaration.body), "repository"}
    claims = Claim.objects.filter(agent=agent, origin=Origin.DECLARED, source=declaration.repository)
    for claim in claims.exclude(field__in=said):
        if claim.field in FIELDS or claim.field.startswith(CUSTOM):
            words = "The file states it no longer; the value it stated stands."
            yield Difference(spec_of(claim.field).label, words, declaration.place)
    edges = Dependency.objects.filter(source_id=agent.pk, origin=Origin.DECLARED)
    for edge in edges.filter(last_seen__lt=min(declaration.applied_at, timezone.now())):
        label = NodeKind(edge.target_kind).label.lower()
        yield Difference(
            f"Named no longer: {target_of(edge)}", f"The file listed this {label} before.", declaration.place
        )
