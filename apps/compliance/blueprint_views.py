"""Pages of compliance for a blueprint: certifying its definition, and what its instances hold through it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.models import Blueprint, State
from apps.agents.queries.blueprints import instances_of
from apps.agents.services.risk import standing_policy
from apps.agents.views.blueprints import act_result
from apps.agents.views.doors import visible_blueprint
from apps.compliance.coverage import uncovered_lines
from apps.compliance.forms import CertificationForm
from apps.compliance.models import BlueprintCertification, Framework
from apps.compliance.rules import VALIDITY
from apps.compliance.services.blueprints import certify_blueprint, revoke_blueprint_certification
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def blueprint_certification(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """The certifications of a definition, and which instances none covers."""
    found = visible_blueprint(request, blueprint_id)
    now = timezone.now()
    uncovered = (
        instances_of(found, actor=request.actor)
        .exclude(state=State.RETIRED)
        .filter(Q(certified_until=None) | Q(certified_until__lte=now))
    )
    given = _given(found)
    context = {
        "blueprint": found,
        "certifications": given,
        "assessment": found.assessed_by(standing_policy().parsed),
        "frameworks": Framework.objects.filter(is_active=True),
        "uncovered": uncovered_lines(list(uncovered.order_by("name")[:50]), given, now),
        "uncovered_count": uncovered.order_by().count(),
        "may_certify": access_of(request.actor).allows(Permission.COMPLIANCE_CERTIFY, found.team_id),
    }
    return render(request, "compliance/blueprint_certification.html", context)


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def blueprint_panel(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """The active ones in a few lines, for the blueprint's page."""
    found = visible_blueprint(request, blueprint_id)
    now = timezone.now()
    active = [one for one in _given(found) if one.is_active_at(now)]
    return render(request, "compliance/_blueprint_panel.html", {"blueprint": found, "certifications": active})


@require_http_methods(["GET", "POST"])
@page(Permission.COMPLIANCE_CERTIFY)
def blueprint_certify(request: PageRequest, blueprint_id: UUID, key: str) -> HttpResponse:
    """Judge every control of a framework for a definition."""
    found = visible_blueprint(request, blueprint_id)
    require(request.actor, Permission.COMPLIANCE_CERTIFY, found.team_id)
    framework = get_object_or_404(Framework.objects.prefetch_related("controls"), key=key, is_active=True)
    form, refusal = CertificationForm(request.POST or None, framework=framework), None
    if request.method == "POST" and form.is_valid():
        try:
            act = certify_blueprint(found, form.request(), actor=request.actor)
        except DomainError as error:
            refusal = error
            form.add_problems(error.fields)
        else:
            return act_result(request, found, f"Certified against {framework.name}", act.results)
    assessment = found.assessed_by(standing_policy().parsed)
    context = {
        "blueprint": found,
        "framework": framework,
        "form": form,
        "refusal": refusal,
        "assessment": assessment,
        "until": timezone.now() + VALIDITY[assessment.tier] if assessment else None,
    }
    template = "compliance/blueprint_certify.html"
    return render(request, template, context, status=422 if form.errors or refusal else 200)


@require_POST
@page(Permission.COMPLIANCE_CERTIFY)
def blueprint_revoke(request: PageRequest, blueprint_id: UUID, certification_id: UUID) -> HttpResponse:
    found = visible_blueprint(request, blueprint_id)
    rows = BlueprintCertification.objects.visible_to(request.actor).filter(blueprint=found)
    given = get_object_or_404(rows, pk=certification_id)
    try:
        act = revoke_blueprint_certification(
            given, reason=request.POST.get("reason", ""), actor=request.actor
        )
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, " ".join([error.message, *error.fields.values()]))
        return redirect("compliance:blueprint", found.pk)
    return act_result(request, found, "The certification is revoked", act.results)


def _given(found: Blueprint) -> list[BlueprintCertification]:
    """Newest first, each with how many agents hold one through it (`held`)."""
    rows = BlueprintCertification.objects.filter(blueprint=found).select_related("framework", "certified_by")
    return list(rows.annotate(held=Count("given", filter=Q(given__status="active")))[:20])
