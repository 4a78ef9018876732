"""Pages of decision chains: the runs there are, one run, one of its steps, two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from apps.activity.chains import drawing, judge, listing
from apps.activity.chains.blame import Suspect
from apps.activity.chains.differences import Comparison, Fold, compare, folded
from apps.activity.chains.inspecting import inspect
from apps.activity.chains.keeping import Judged, judged_run
from apps.activity.chains.reading import Run
from apps.activity.chains.steps import Chain, Link
from apps.activity.queries import agents_to_choose
from apps.agents.models import Agent
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.paging import page_of

SUSPECTS_SHOWN = 5
COMPARABLE = 20
MOST_ARROWS_BY_DEFAULT = 60


@require_safe
@page(Permission.ACTIVITY_VIEW)
def chains(request: PageRequest) -> HttpResponse:
    """Runs of the fleet, newest first."""
    shown = page_of(request, listing.chosen_runs(request.GET, actor=request.actor), listing.ORDER)
    context = {
        "page": shown,
        "runs": _named(shown.rows, request),
        "agents": agents_to_choose(request.GET.get("agent", ""), actor=request.actor),
        **_choices(request),
    }
    return render(request, "activity/chains.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def agent_chains(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Runs in which one agent took part."""
    agent = visible_agent(request, agent_id)
    with_, length = request.GET.getlist("with"), request.GET.get("length", "")
    rows = listing.runs(actor=request.actor, agent=agent.pk, with_=with_, length=length)
    shown = page_of(request, rows, listing.ORDER)
    context = {"agent": agent, "page": shown, "runs": _named(shown.rows, request), **_choices(request)}
    return render(request, "activity/agent_chains.html", context)


def _choices(request: PageRequest) -> dict[str, Any]:
    return {
        "states": [(key, words) for key, (words, _) in listing.STATES.items()],
        "lengths": [(key, words) for key, (words, _) in listing.LENGTHS.items()],
        "chosen_states": request.GET.getlist("with"),
        "chosen_agent": request.GET.get("agent", ""),
        "chosen_length": request.GET.get("length", ""),
        "most_counted": listing.MOST_COUNTED,
    }


def _named(rows: Sequence[Any], request: PageRequest) -> list[tuple[Any, list[Agent]]]:
    known = listing.agents_of(rows, actor=request.actor)
    return [(row, [known[pk] for pk in row.agent_ids if pk in known]) for row in rows]


@require_safe
@page(Permission.ACTIVITY_VIEW)
def chain(request: PageRequest, conversation: str) -> HttpResponse:
    """One run: where it probably went wrong, its steps as a tree beside arrows and a clock, one step inspected."""
    judged = judged_run(conversation, actor=request.actor)
    run = judged.run
    chosen = _chosen(request, judged)
    context = {
        "run": run,
        "judged": judged,
        "picture": _picture(request, judged, chosen - 1),
        "inspected": inspect(run, chosen, actor=request.actor),
        "suspicion": _suspicion(judged, chosen),
        "suspects": judged.ranking.suspects[:SUSPECTS_SHOWN],
        "suspect_agents": judged.ranking.agents[:3],
        "facts": _facts(run.chain),
        "may_ask": judge.is_configured() and judge.may_ask(run, actor=request.actor),
        "opinions": judge.opinions_on(conversation, actor=request.actor),
        "all_arrows": request.GET.get("arrows") == "all",
    }
    return render(request, "activity/chain.html", context)


def _chosen(request: PageRequest, judged: Judged) -> int:
    """The number of the step to show: that of the address, else the one most suspected, else the first."""
    asked = request.GET.get("step", "")
    last = len(judged.run.steps)
    if asked.isdecimal() and 1 <= int(asked[:9]) <= last:
        return int(asked[:9])
    first = judged.ranking.first
    return first.at + 1 if first is not None and judged.has_failed else 1


def _suspicion(judged: Judged, number: int) -> Suspect | None:
    """How the ranking sees this step; None for a run in which nothing failed."""
    if not judged.has_failed:
        return None
    return next((one for one in judged.ranking.suspects if one.at == number - 1), None)


@dataclass(frozen=True)
class Picture:
    """What is drawn of a run; `flows` counts all values that went from one step to another."""

    rows: SafeString
    arrows: SafeString
    flows: int
    clock: SafeString
    lanes: SafeString
    lane_names: Sequence[str]


def _picture(request: PageRequest, judged: Judged, chosen: int) -> Picture:
    whole = judged.run.chain
    first = judged.ranking.first
    causes = {first.at} if first is not None and judged.has_failed else set()
    lane_of, names = drawing.lanes_of(whole)
    return Picture(
        drawing.rows_of(whole, chosen, causes),
        _arrows(request, whole, chosen),
        sum(edge.kind == Link.FLOW for edge in whole.edges),
        drawing.clock(whole),
        drawing.lanes(whole, lane_of, causes),
        names,
    )


def _arrows(request: PageRequest, whole: Chain, chosen: int) -> SafeString:
    """The values of the chosen step as arrows; those of every step in a run with few, or when asked for."""
    flows = [edge for edge in whole.edges if edge.kind == Link.FLOW]
    own = [edge for edge in flows if chosen in (edge.source, edge.target)]
    everything = request.GET.get("arrows") == "all" or len(flows) <= MOST_ARROWS_BY_DEFAULT
    words = f"What steps used from earlier ones; {len(own)} arrows belong to step {chosen + 1}."
    return drawing.arrows(whole, flows if everything else own, own, words)


def _facts(whole: Chain) -> dict[str, Any]:
    """Figures of a run for its head."""
    return {
        "steps": len(whole.steps),
        "agents": len(whole.agents),
        "began": min(whole.begins, default=None),
        "took_ms": whole.duration_s * 1000,
        "failures": sum(step.is_failed for step in whole.steps),
        "refused": sum(step.is_refused or step.outcome == "blocked" for step in whole.steps),
        "violations": sum(step.outcome == "violation" for step in whole.steps),
        "hidden": sum(step.is_hidden for step in whole.steps),
        "foreign": sum(bool(step.foreign) for step in whole.steps),
        "foreign_teams": sorted({step.foreign for step in whole.steps if step.foreign}),
        "traces": len({step.trace for step in whole.steps if step.trace}),
        "most_shift_s": max((abs(shift) for shift in whole.shifts.values()), default=0),
        "clocks_moved": len(whole.shifts),
    }


@require_safe
@page(Permission.ACTIVITY_VIEW)
def chain_step(request: PageRequest, conversation: str, number: int) -> HttpResponse:
    """One step for the inspector; a full page when it is opened by itself."""
    judged = judged_run(conversation, actor=request.actor)
    if not request.headers.get("HX-Request"):
        return redirect(f"{reverse('activity:chain', args=[conversation])}?step={number}#step-{number}")
    if not 1 <= number <= len(judged.run.steps):
        raise NotFound("The run has no such step.")
    context = {
        "inspected": inspect(judged.run, number, actor=request.actor),
        "suspicion": _suspicion(judged, number),
        "arrows": _arrows(request, judged.run.chain, number - 1),
    }
    response = render(request, "activity/_chain_step.html", context)
    response["HX-Replace-Url"] = (
        f"{reverse('activity:chain', args=[conversation])}?step={number}#step-{number}"
    )
    return response


@require_safe
@page(Permission.ACTIVITY_VIEW)
def chain_compare(request: PageRequest, conversation: str) -> HttpResponse:
    """Two runs side by side; without `?with=` a choice of runs of the same agent."""
    left = judged_run(conversation, actor=request.actor).run
    other = request.GET.get("with", "")
    context: dict[str, Any] = {"left": left, "other": other}
    if other:
        right = judged_run(other, actor=request.actor).run
        found = compare(left.steps, right.steps)
        context |= {
            "right": right,
            "lines": [_line(found, at, left, right) for at in folded(found)],
            "first": found.first,
            "same": sum(not pair.what for pair in found.pairs),
            "all_lines": len(found.pairs),
        }
    else:
        agent = next((step.agent_id for step in left.steps if step.agent_id and not step.is_hidden), None)
        rows = listing.runs(actor=request.actor, agent=agent).order_by(*listing.ORDER)[:COMPARABLE]
        context["choices"] = [row for row in rows if row.conversation_id != conversation]
    return render(request, "activity/chain_compare.html", context)


def _line(found: Comparison, at: int | Fold, left: Run, right: Run) -> dict[str, Any]:
    """A line of the comparison for the page: a pair of steps, or how many same lines are left out."""
    if isinstance(at, Fold):
        return {"folded": at.lines}
    pair = found.pairs[at]
    return {
        "pair": pair,
        "one": left.steps[pair.left] if pair.left is not None else None,
        "two": right.steps[pair.right] if pair.right is not None else None,
        "is_first": at == found.first,
    }


@require_POST
@page(Permission.ACTIVITY_JUDGE)
def chain_judge(request: PageRequest, conversation: str) -> HttpResponse:
    """Ask the configured model; its words stand on the run's page."""
    try:
        judge.ask_judge(conversation, actor=request.actor)
    except DomainError as error:
        if error.status not in (409, 503):
            raise
        messages.error(request, error.message)
    return redirect(f"{reverse('activity:chain', args=[conversation])}#opinions")
