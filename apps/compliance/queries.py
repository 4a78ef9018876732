"""Reading compliance for pages: filtered lists, their facets, the strip of expiries."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from apps.compliance.models import Certification, Finding, Framework, Severity
from apps.identity.models import Principal
from apps.kit.ui.charts import Expiry, ExpiryStrip
from apps.kit.ui.parts import Option

STRIP_MOST = 200


def narrowed_findings(query: QueryDict, *, actor: Principal) -> QuerySet[Finding]:
    """Findings by `status` (open unless given), `kind` and `severity`."""
    rows = Finding.objects.visible_to(actor)
    statuses = [v for v in query.getlist("status") if v in Finding.Status.values] or [Finding.Status.OPEN]
    rows = rows.filter(status__in=statuses)
    kinds = [value for value in query.getlist("kind") if value in Finding.Kind.values]
    severities = [value for value in query.getlist("severity") if value in Severity.values]
    rows = rows.filter(kind__in=kinds) if kinds else rows
    return rows.filter(severity__in=severities) if severities else rows


def uncovered(tiers: Mapping[UUID, int]) -> set[UUID]:
    """Of these agents, those without an active certification for the tier named beside each; one query."""
    held = Certification.objects.filter(
        agent__in=list(tiers), status=Certification.Status.ACTIVE, expires_at__gt=timezone.now()
    )
    covered = {pk for pk, tier in held.values_list("agent_id", "tier") if tier >= tiers[pk]}
    return set(tiers) - covered


def finding_facets(actor: Principal) -> dict[str, list[Option]]:
    """Values of each filter with their counts; three queries."""
    rows = Finding.objects.visible_to(actor)
    return {
        "status": _options(rows, "status", Finding.Status.choices),
        "severity": _options(rows, "severity", Severity.choices),
        "kind": _options(rows, "kind", Finding.Kind.choices),
    }


def narrowed_certifications(query: QueryDict, *, actor: Principal) -> QuerySet[Certification]:
    """Certifications by `status` (active unless given) and `framework`."""
    rows = Certification.objects.visible_to(actor)
    statuses = [v for v in query.getlist("status") if v in Certification.Status.values] or ["active"]
    frameworks = query.getlist("framework")
    rows = rows.filter(status__in=statuses)
    return rows.filter(framework__key__in=frameworks) if frameworks else rows


def certification_facets(actor: Principal) -> dict[str, list[Option]]:
    rows = Certification.objects.visible_to(actor)
    names = list(Framework.objects.values_list("key", "name"))
    return {
        "status": _options(rows, "status", Certification.Status.choices),
        "framework": _options(rows, "framework__key", names),
    }


def expiry_strip(actor: Principal) -> ExpiryStrip:
    """The active certifications that run out within 90 days, at most 200 of them."""
    now = timezone.now()
    rows = Certification.objects.visible_to(actor).filter(status=Certification.Status.ACTIVE)
    rows = rows.select_related("agent").order_by("expires_at")[:STRIP_MOST]
    return ExpiryStrip(
        [
            Expiry(row.agent.name, (row.expires_at - now).days, reverse("agents:detail", args=[row.agent_id]))
            for row in rows
            if (row.expires_at - now).days <= 90
        ]
    )


def _options(
    rows: QuerySet[Finding] | QuerySet[Certification], column: str, choices: list[tuple[str, str]]
) -> list[Option]:
    counts = dict(rows.order_by().values_list(column).annotate(count=Count("pk")))
    return [Option(value, str(label), counts.get(value, 0)) for value, label in choices]
