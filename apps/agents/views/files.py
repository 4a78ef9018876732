"""Tables in and out: exports of exactly what the list shows, imports with a preview of every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.agents.columns import Column, chosen, known_columns, ordering_of, sortable
from apps.agents.filters import AgentFilter
from apps.agents.forms import ImportForm
from apps.agents.models import Agent
from apps.agents.parsing import unread_headings
from apps.agents.search import search_agents
from apps.agents.services.rows import ImportRequest, plan_import
from apps.agents.tabular import TYPES, WRITERS, read_table
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.streaming import PiecewiseResponse, in_chunks
from apps.kit.ui.problems_in_forms import show_problem

MOST_FOUND = 100
AT_ONCE = 500


@require_safe
@page(Permission.AGENTS_VIEW)
def export(request: PageRequest, kind: str) -> HttpResponseBase:
    """The list as it is filtered, ordered and cut into columns, every row of it, as a file."""
    if kind not in WRITERS:
        raise NotFound(f"Export as one of {', '.join(WRITERS)}.")
    columns = chosen(
        request.GET.getlist("column") or request.GET.get("columns", "").split(","), known_columns()
    )
    headings = ["id", *(column.label for column in columns)]
    pieces = WRITERS[kind](headings, _cells(_rows(request, columns), columns))
    name = f"agents-{timezone.localdate().isoformat()}.{kind}"
    response: HttpResponseBase
    if kind == "xlsx":
        response = HttpResponse(b"".join(pieces), content_type=TYPES[kind])
    else:
        response = PiecewiseResponse(pieces, content_type=TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def import_agents(request: PageRequest) -> HttpResponse:
    """Take in a table; what follows is the preview of every row."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            rows = read_table(data["file"].name, data["file"].read())
            asked = ImportRequest(data["source"], data["make_new"], data["as_own_word"])
            job = plan_import(rows, asked, actor=request.actor, unread=unread_headings(rows[0]))
        except DomainError as error:
            show_problem(form, error)
        else:
            return redirect("agents:job", job.pk)
    return render(request, "agents/import.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@page(Permission.AGENTS_CURATE)
def import_template(request: PageRequest) -> HttpResponse:
    """An empty table with the headings that are understood."""
    keys = ["name", "purpose", "owner", "deputy", "team", "business_service", "environment", "framework", "countries",
            "data_sensitivity", "decision_authority", "blast_radius", "regulatory_exposure", "tags"]  # fmt: skip
    headings = [column.label for column in chosen(keys)]
    response = HttpResponse(b"".join(WRITERS["csv"](headings, [])), content_type=TYPES["csv"])
    response.headers["Content-Disposition"] = 'attachment; filename="agents.csv"'
    return response


def _rows(request: PageRequest, columns: Sequence[Column]) -> Iterator[Agent]:
    asked = request.GET.copy()
    text = (asked.pop("q", None) or [""])[-1].strip()
    visible = (
        Agent.objects.visible_to(request.actor)
        .on_record()
        .select_related("owner", "deputy", "team", "blueprint")
    )
    narrowed = AgentFilter(asked, visible, actor=request.actor).qs
    if text:
        return iter(
            [
                hit.agent
                for hit in search_agents(text, actor=request.actor, limit=MOST_FOUND, among=narrowed).hits
            ]
        )
    sort = asked.get("sort", "")
    return in_chunks(sortable(narrowed, sort, columns).order_by(*ordering_of(sort)), AT_ONCE)


def _cells(agents: Iterator[Agent], columns: Sequence[Column]) -> Iterator[list[Any]]:
    for agent in agents:
        yield [str(agent.pk), *(column.read(agent) for column in columns)]
