"""The discovery inbox: what was seen in traffic, what was found in files, what is left alone for now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chancery_sdk.scan import Finding, recognise
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.candidate_filters import CONFIDENCE, CandidateFilter
from apps.agents.candidate_forms import DecisionForm, UploadForm
from apps.agents.matching import Found, confidence_word, source_kind_of
from apps.agents.models import Agent, Candidate, SourceKind, State
from apps.agents.queries import candidates as queries
from apps.agents.services.candidate_decisions import MOST_AT_ONCE, Decided, Verdict, decide_candidates
from apps.agents.services.candidates import MOST_FINDINGS, Origins, Reported, report_findings
from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput, TooLarge
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

IDENTIFIER = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
TABS = ("traffic", "files", "ignored")
ROWS = 25
LABELS = {"source_kind": "Source", "confidence": "Confidence", "kind": "Kind", "framework": "Framework"}
DONE = {"adopt": "put on record", "link": "linked", "ignore": "ignored", "reopen": "back in the inbox"}


@dataclass(frozen=True)
class Row:
    """One candidate as the inbox shows it."""

    candidate: Candidate
    word: str
    match: queries.Match | None
    may_decide: bool

    @property
    def is_agent(self) -> bool:
        return self.candidate.role != "mcp_server"


@require_safe
@page(Permission.AGENTS_VIEW)
def discovery(request: PageRequest) -> HttpResponse:
    """One part of the inbox, by `?tab=`; without it the first that has something."""
    traffic = Agent.objects.visible_to(request.actor).on_record().filter(state=State.DISCOVERED)
    candidates = Candidate.objects.visible_to(request.actor)
    parts = {"files": candidates.waiting(), "ignored": candidates.ignored()}
    counts = {"traffic": traffic.count(), **{name: rows.count() for name, rows in parts.items()}}
    tab = request.GET.get("tab", "")
    if tab not in TABS:
        tab = "files" if counts["files"] and not counts["traffic"] else "traffic"
    context: dict[str, Any] = {"tab": tab, "counts": counts, "waiting": counts["traffic"] + counts["files"]}
    context |= {"may_report": access_of(request.actor).allows_somewhere(Permission.DISCOVERIES_REPORT)}
    context |= _traffic(request, traffic) if tab == "traffic" else _candidates(request, parts[tab])
    return render(request, "agents/discovery.html", context)


def _traffic(request: PageRequest, waiting: QuerySet[Agent]) -> dict[str, Any]:
    rows = waiting.annotate(tools=Count("observed_tools", distinct=True)).prefetch_related(
        "aliases__source", "observed_tools", "observed_models", "candidates"
    )
    shown = page_of(request, rows, ("-created_at", "id"), size=ROWS)
    return {"page": shown, "agents": shown.rows}


def _candidates(request: PageRequest, part: QuerySet[Candidate]) -> dict[str, Any]:
    """A page of candidates with facets and likely matches; the number of queries does not depend on how many."""
    narrowed = CandidateFilter(request.GET, part.with_decisions().prefetch_related("evidence"))  # type: ignore[attr-defined]
    shown = page_of(request, narrowed.qs, ("-confidence", "-id"), size=ROWS)
    matches = queries.likely_matches(shown.rows, request.actor)
    access = access_of(request.actor)
    return {
        "page": shown,
        "total": narrowed.qs.count(),
        "facets": queries.candidate_facets(part),
        "chips": _chips(request.GET),
        "rows": [
            Row(
                one,
                confidence_word(one.confidence),
                matches.get(one.pk),
                access.allows(Permission.AGENTS_CURATE, one.team_id),
            )
            for one in shown.rows
        ],
    }


def _chips(given: QueryDict) -> list[tuple[str, str, str, str]]:
    """Each active filter: its name in the address, its label, the value as people read it and as it stands there."""
    words = {**dict(SourceKind.choices), **dict(CONFIDENCE)}
    found = [
        (name, label, words.get(raw, raw), raw)
        for name, label in LABELS.items()
        for raw in given.getlist(name)
    ]
    return found + [("q", "Name", raw, raw) for raw in given.getlist("q") if raw]


@require_POST
@page(Permission.AGENTS_CURATE)
def discovery_decide(request: PageRequest) -> HttpResponse:
    """Decide about the picked candidates (`pick`, or `all` of the posted `query`); first shown, then done."""
    act = request.POST.get("act", "")
    chosen = _chosen(request)
    if not chosen:
        messages.info(request, "Nothing was selected.")
        return redirect(_inbox(request))
    form = DecisionForm(request.POST if "confirmed" in request.POST else None, act=act, actor=request.actor)
    is_plain = act in ("adopt", "reopen") and len(chosen) == 1
    if not is_plain and not form.is_valid():
        return _ask(request, act, chosen, form)
    verdict = Verdict(act) if is_plain else form.verdict()
    return _told(request, act, decide_candidates(chosen, verdict, actor=request.actor))


def _chosen(request: PageRequest) -> list[Candidate]:
    """Visible candidates only; a posted id of anything else is as if it were not there."""
    visible = Candidate.objects.visible_to(request.actor).with_decisions()
    if request.POST.get("all"):
        query = QueryDict(request.POST.get("query", ""))
        part = visible.ignored() if query.get("tab") == "ignored" else visible.waiting()
        found = list(CandidateFilter(query, part).qs[: MOST_AT_ONCE + 1])
        if len(found) > MOST_AT_ONCE:
            raise TooLarge(f"More than {MOST_AT_ONCE} match. Narrow the list, then decide again.")
        return found
    return list(visible.filter(pk__in=_uuids(request.POST.getlist("pick")[:MOST_AT_ONCE])))


def _uuids(texts: Sequence[str]) -> list[UUID]:
    return [UUID(text) for text in texts if IDENTIFIER.fullmatch(text)]


def _ask(request: PageRequest, act: str, chosen: list[Candidate], form: DecisionForm) -> HttpResponse:
    """What is about to be done, with what it needs."""
    if act not in DONE:
        raise InvalidInput("Nothing was decided.", fields={"act": f"One of {', '.join(DONE)}"})
    context = {
        "act": act,
        "chosen": chosen,
        "form": form,
        "query": request.POST.get("query", ""),
        "matches": queries.likely_matches(chosen[:ROWS], request.actor) if act == "link" else {},
    }
    return render(request, "agents/discovery_decide.html", context, status=422 if form.errors else 200)


def _told(request: PageRequest, act: str, done: list[Decided]) -> HttpResponse:
    refused = [one for one in done if one.error]
    finished = [one for one in done if not one.error]
    if refused:
        context = {"act": DONE[act], "refused": refused, "finished": finished, "back": _inbox(request)}
        return render(request, "agents/discovery_decided.html", context, status=409 if not finished else 200)
    first = finished[0].candidate
    if act == "adopt" and len(finished) == 1 and first.agent is not None:
        messages.success(request, f"{first.name} is on record as {first.agent.ref}. Say who answers for it.")
        return redirect("lifecycle:adopt", first.agent.pk)
    what = first.name if len(finished) == 1 else f"{len(finished)} found in files"
    messages.success(request, f"{what}: {DONE[act]}.")
    return redirect(_inbox(request))


def _inbox(request: PageRequest) -> str:
    """The inbox as it was filtered, from the posted query; the first page, since what was there has moved."""
    query = QueryDict(request.POST.get("query", "") or "tab=files").copy()
    query.pop("cursor", None)
    return f"{reverse('agents:discovery')}?{query.urlencode()}"


@require_http_methods(["GET", "POST"])
@page(Permission.DISCOVERIES_REPORT)
def discovery_upload(request: PageRequest) -> HttpResponse:
    """Read an export through the recognisers of the scanner, and report what it declares."""
    posted = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = UploadForm(*posted, actor=request.actor)
    if form.is_valid():
        try:
            reported = _report(form.cleaned_data, request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            new = sum(one.outcome == "new" for one in reported)
            messages.success(
                request, f"{len(reported)} found in {form.cleaned_data['file'].name}, {new} of them new."
            )
            return redirect(f"{reverse('agents:discovery')}?tab=files")
    return render(request, "agents/discovery_upload.html", {"form": form}, status=422 if form.errors else 200)


def _report(stated: dict[str, Any], actor: Principal) -> list[Reported]:
    file: UploadedFile = stated["file"]
    raw = file.read()
    if b"\0" in raw:
        raise InvalidInput("Nothing was read.", fields={"file": "Choose a text file"})
    found = recognise(str(file.name), raw.decode("utf-8-sig", errors="replace"))
    if not found:
        raise InvalidInput(
            "Nothing was found.",
            fields={"file": "Nothing in this file declares an agent, an MCP server or a client of one"},
        )
    by_kind: dict[str, list[Found]] = {}
    for finding in found[:MOST_FINDINGS]:
        by_kind.setdefault(source_kind_of(finding.kind), []).append(_as_found(finding))
    source = stated["source"].strip() or str(file.name)
    return [
        one
        for kind, findings in by_kind.items()
        for one in report_findings(findings, Origins(kind, source, stated["team"]), actor=actor)
    ]


def _as_found(finding: Finding) -> Found:
    """The scanner's finding in the bounds of what a report may hold."""
    return Found(
        finding.kind,
        finding.framework[:80],
        finding.role,
        finding.confidence,
        finding.place[-450:],
        name=(finding.name or "")[:200],
        model=(finding.model or "")[:255],
        tools=[tool[:255] for tool in finding.tools],
        mcp_servers=[server[:255] for server in finding.mcp_servers],
        description=finding.description[:4000],
        extra=dict(finding.extra),
    )
