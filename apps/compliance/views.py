"""Pages of compliance: findings, certifications, frameworks, and certifying one agent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import may, require_for
from apps.agents.views.doors import visible_agent
from apps.compliance import queries
from apps.compliance.forms import CertificationForm
from apps.compliance.models import Certification, Finding, Framework
from apps.compliance.rules import VALIDITY
from apps.compliance.services import runs
from apps.compliance.services.certifications import certify_agent, revoke_certification
from apps.compliance.services.findings import resolve_finding
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def findings(request: PageRequest) -> HttpResponse:
    """What somebody must look at; open ones unless the address says otherwise."""
    narrowed = queries.narrowed_findings(request.GET, actor=request.actor)
    shown = page_of(request, narrowed.select_related("agent", "resolved_by"), ("-opened_at", "-id"))
    context = {
        "page": shown,
        "findings": shown.rows,
        "facets": queries.finding_facets(request.actor),
        "total": narrowed.count(),
        "filtered": bool(request.GET),
        "may_run": access_of(request.actor).allows(Permission.JOBS_RUN),
    }
    return render(request, "compliance/findings.html", context)


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def finding_detail(request: PageRequest, finding_id: UUID) -> HttpResponse:
    """One finding: what it is, its evidence, what became of it."""
    visible = Finding.objects.visible_to(request.actor).select_related("agent", "certification__framework")
    finding = get_object_or_404(visible, pk=finding_id)
    context = {
        "finding": finding,
        "may_resolve": may(request.actor, Permission.FINDINGS_RESOLVE, finding.agent),
    }
    return render(request, "compliance/finding_detail.html", context)


@require_POST
@page(Permission.FINDINGS_RESOLVE)
def finding_resolve(request: PageRequest, finding_id: UUID) -> HttpResponse:
    finding = get_object_or_404(Finding.objects.visible_to(request.actor), pk=finding_id)
    resolve_finding(finding, resolution=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, "The finding is resolved.")
    return redirect("compliance:finding", finding.pk)


@require_POST
@page(Permission.JOBS_RUN)
def run_drift(request: PageRequest) -> HttpResponse:
    """Compare every certified agent with its baseline now."""
    run = runs.run_drift_detection(actor=request.actor)
    found = f"{run.findings} new finding{'' if run.findings == 1 else 's'}"
    messages.success(request, f"Certified agents compared: {run.agents}. {found.capitalize()}.")
    return redirect("compliance:findings")


@require_POST
@page(Permission.JOBS_RUN)
def run_expiry(request: PageRequest) -> HttpResponse:
    """End the certifications whose time is over now."""
    messages.success(request, f"Certifications ended: {runs.run_expiry(actor=request.actor)}.")
    return redirect("compliance:certifications")


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def certifications(request: PageRequest) -> HttpResponse:
    """Certifications, those that run out first at the top."""
    narrowed = queries.narrowed_certifications(request.GET, actor=request.actor)
    rows = narrowed.select_related("agent", "framework", "certified_by")
    shown = page_of(request, rows, ("expires_at", "id"))
    context = {
        "page": shown,
        "certifications": shown.rows,
        "facets": queries.certification_facets(request.actor),
        "total": narrowed.count(),
        "strip": queries.expiry_strip(request.actor),
        "filtered": bool(request.GET),
        "may_run": access_of(request.actor).allows(Permission.JOBS_RUN),
    }
    return render(request, "compliance/certifications.html", context)


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def frameworks(request: PageRequest) -> HttpResponse:
    """The frameworks an agent can be certified against, with their controls."""
    known = Framework.objects.filter(is_active=True).prefetch_related("controls")
    return render(request, "compliance/frameworks.html", {"frameworks": known})


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def agent_certification(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """One agent's certifications and findings."""
    agent = visible_agent(request, agent_id)
    held = agent.certifications.select_related("framework", "certified_by").prefetch_related(
        "results__control"
    )
    context = {
        "agent": agent,
        "certifications": held,
        "findings": agent.findings.order_by("status", "-opened_at")[:20],
        "frameworks": Framework.objects.filter(is_active=True),
        "may_certify": may(request.actor, Permission.COMPLIANCE_CERTIFY, agent),
    }
    return render(request, "compliance/agent_certification.html", context)


@require_safe
@page(Permission.COMPLIANCE_VIEW)
def agent_panel(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Certification and open findings of an agent, for its record page."""
    agent = visible_agent(request, agent_id)
    context = {
        "agent": agent,
        "certifications": agent.certifications.filter(status="active").select_related("framework"),
        "findings": agent.findings.filter(status="open")[:5],
    }
    return render(request, "compliance/_agent_panel.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.COMPLIANCE_CERTIFY)
def certify(request: PageRequest, agent_id: UUID, key: str) -> HttpResponse:
    """Judge every control of a framework for an agent."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.COMPLIANCE_CERTIFY, agent)
    framework = get_object_or_404(Framework.objects.prefetch_related("controls"), key=key, is_active=True)
    form = CertificationForm(request.POST or None, framework=framework)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            given = certify_agent(agent, form.request(), actor=request.actor)
        except DomainError as error:
            refusal = error
            form.add_problems(error.fields)
        else:
            messages.success(request, f"{agent.name} is certified until {given.expires_at:%-d %B %Y}.")
            return redirect("compliance:agent-certification", agent.pk)
    context = {
        "agent": agent,
        "framework": framework,
        "form": form,
        "refusal": refusal,
        "until": timezone.now() + VALIDITY.get(agent.tier or 0, timedelta()),
    }
    return render(request, "compliance/certify.html", context, status=422 if form.errors or refusal else 200)


@require_POST
@page(Permission.COMPLIANCE_CERTIFY)
def revoke(request: PageRequest, certification_id: UUID) -> HttpResponse:
    held = get_object_or_404(Certification.objects.visible_to(request.actor), pk=certification_id)
    revoke_certification(held, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, "The certification is revoked.")
    return redirect("compliance:agent-certification", held.agent_id)
