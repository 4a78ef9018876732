"""Where what is declared and what is so differ, as sets: the queue and the agent's page ask the same ones.

A declared tool counts as missing only after it had time to be called.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Substr
from django.utils import timezone

from apps.agents.fields import CUSTOM
from apps.agents.models import Claim, Declaration, Dependency, ModelEndpoint, NodeKind, Origin

TIME_TO_BE_SEEN = timedelta(days=7)


def declared_edges() -> QuerySet[Dependency]:
    """What declarations name now, of each agent."""
    says = Declaration.objects.filter(
        agent=OuterRef("source_id"), withdrawn_at=None, applied_at__lte=OuterRef("last_seen")
    )
    return Dependency.objects.filter(Exists(says), origin=Origin.DECLARED, source_kind=NodeKind.AGENT)


def tools_never_seen() -> QuerySet[Dependency]:
    """Declared tools that an agent which is seen never called."""
    calls = Dependency.objects.filter(
        source_id=OuterRef("source_id"), target_id=OuterRef("target_id"), origin=Origin.OBSERVED
    )
    heard = Dependency.objects.filter(source_id=OuterRef("source_id"), origin=Origin.OBSERVED)
    old_enough = declared_edges().filter(first_seen__lt=timezone.now() - TIME_TO_BE_SEEN)
    return old_enough.filter(Exists(heard), ~Exists(calls), target_kind=NodeKind.TOOL)


def tools_not_declared() -> QuerySet[Dependency]:
    """Tools seen in use by an agent whose declaration lists tools, and not these."""
    says = declared_edges().filter(source_id=OuterRef("source_id"), target_id=OuterRef("target_id"))
    return _observed(NodeKind.TOOL, "tools").filter(~Exists(says))


def other_models() -> QuerySet[Dependency]:
    """Models seen in use by an agent whose declaration lists models, and not these.

    A declared snapshot is that build; a declared moving name (`gpt-4o`) also means its dated builds.
    """
    named = declared_edges().filter(source_id=OuterRef(OuterRef("source_id")), target_kind=NodeKind.MODEL)
    seen = ModelEndpoint.objects.filter(pk=OuterRef(OuterRef("target_id"))).values("model")
    fits = (
        ModelEndpoint.objects.filter(pk__in=named.values("target_id"))
        .annotate(seen=seen[:1], start=Concat(F("model"), Value("-")))
        .filter(Q(seen=F("snapshot")) | Q(snapshot="", seen=F("model")) | Q(snapshot="", seen__startswith=F("start")))
    )  # fmt: skip
    return _observed(NodeKind.MODEL, "models").filter(~Exists(fits))


def values_overridden() -> QuerySet[Claim]:
    """Declared values that a person's word stands before, until somebody settles it."""
    says = Declaration.objects.filter(
        agent=OuterRef("agent"), repository=OuterRef("source"), withdrawn_at=None
    ).filter(Q(body__has_key=OuterRef("field")) | Q(body__custom__has_key=OuterRef("key")))
    person = Claim.objects.filter(agent=OuterRef("agent"), field=OuterRef("field"), origin=Origin.PERSON)
    key = Substr("field", len(CUSTOM) + 1)  # of a custom field; of another field no custom field's name
    return Claim.objects.annotate(
        key=Case(When(field__startswith=CUSTOM, then=key), default=Value(""))
    ).filter(
        Exists(says),
        Exists(person.exclude(value=OuterRef("value"))),
        origin=Origin.DECLARED,
        settled_at=None,
    )


def differing() -> Q:
    """Agents whose declaration differs from what they do or from what their record shows."""
    edges = (tools_never_seen(), tools_not_declared(), other_models())
    condition = Q(Exists(values_overridden().filter(agent=OuterRef("pk"))))
    for found in edges:
        condition |= Q(Exists(found.filter(source_id=OuterRef("pk"))))
    return condition


def _observed(kind: str, listed: str) -> QuerySet[Dependency]:
    lists = Declaration.objects.filter(agent=OuterRef("source_id"), withdrawn_at=None, body__has_key=listed)
    return Dependency.objects.filter(
        Exists(lists), origin=Origin.OBSERVED, source_kind=NodeKind.AGENT, target_kind=kind
    )
