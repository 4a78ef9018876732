"""What a change of the record, or becoming an instance of a blueprint, means for certifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from apps.activity.models import OutcomeWatch
from apps.activity.outcomes.measures import Shift
from apps.activity.signals import outcome_shifted
from apps.agents import risk
from apps.agents.models import Agent, Blueprint
from apps.agents.signals import agent_changed, agents_changed, coverage_asked, instances_joined
from apps.compliance.queries import uncovered
from apps.compliance.services.blueprints import cover_new_instances, follow_departures
from apps.compliance.services.certifications import follow_tiers
from apps.compliance.services.definitions import close_judged, raise_changed
from apps.compliance.services.drills import close_drilled
from apps.compliance.services.outcomes import close_recovered, raise_fall
from apps.identity.models import Principal
from apps.oversight.models import Drill, ToolDefinition
from apps.oversight.signals import definition_held, definition_judged, drill_finished

OF_RISK = frozenset({*risk.FIELDS, "ai_act_class", "tier"})


@receiver(agent_changed, dispatch_uid="compliance.follow_change")
def follow_change(sender: type[Agent], agent: Agent, fields: set[str], **_: Any) -> None:
    follow_changes(sender, {agent: fields})


@receiver(agents_changed, dispatch_uid="compliance.follow_changes")
def follow_changes(sender: type[Agent], changes: Mapping[Agent, set[str]], **_: Any) -> None:
    """A certification counts for what was judged, for the tier it was given for and those below it."""
    follow_departures(changes)
    follow_tiers([agent for agent, fields in changes.items() if fields & OF_RISK])


@receiver(instances_joined, dispatch_uid="compliance.cover_new_instances")
def cover(
    sender: type[Blueprint], blueprint: Blueprint, agents: Sequence[Agent], actor: Principal, **_: Any
) -> dict[UUID, str]:
    """An instance that comes later holds the blueprint's certifications while it is as it was certified."""
    return cover_new_instances(blueprint, agents, actor=actor)


@receiver(coverage_asked, dispatch_uid="compliance.lacking_coverage")
def lacking_coverage(sender: type[Agent], tiers: dict[UUID, int], **_: Any) -> set[UUID]:
    """Those of these agents that hold no certification for the tier they would have."""
    return uncovered(tiers)


@receiver(outcome_shifted, dispatch_uid="compliance.follow_outcome")
def follow_outcome(
    sender: type[OutcomeWatch], agent: Agent, shift: Shift, is_recovered: bool, **_: Any
) -> None:
    """An outcome that got worse is drift; back near what was usual it is none any longer."""
    if shift.is_worse:
        raise_fall(agent, shift)
    elif is_recovered:
        close_recovered(agent, shift)


@receiver(drill_finished, dispatch_uid="compliance.follow_drill")
def follow_drill(sender: type[Drill], drill: Drill, **_: Any) -> None:
    """A stop that was tried with success is overdue no longer."""
    if drill.passed:
        close_drilled(drill.agent)


@receiver(definition_held, dispatch_uid="compliance.follow_definition")
def follow_definition(sender: type[ToolDefinition], definition: ToolDefinition, **_: Any) -> None:
    """A tool that is offered otherwise than it was pinned concerns every agent that uses it."""
    raise_changed(definition)


@receiver(definition_judged, dispatch_uid="compliance.close_definition")
def close_definition(
    sender: type[ToolDefinition], definition: ToolDefinition, actor: Principal, **_: Any
) -> None:
    close_judged(definition, actor=actor)
