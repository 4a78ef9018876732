"""The class of an agent under the EU AI Act: read by all who see it, answered by those who may."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.ai_act import questionnaire
from apps.agents.ai_act_forms import StageForm, initial_answers
from apps.agents.models import Agent, AiActClassification
from apps.agents.queries.ai_act import classifications_of, questions_at, told
from apps.agents.services.ai_act import (
    answer_questions,
    begin_classification,
    conclude_classification,
    discard_classification,
    may_classify,
    require_classify,
)
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.problems_in_forms import show_problem


@require_safe
@page(Permission.AGENTS_VIEW)
def ai_act(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """The class on record and the way to it; `?number=` shows a former one."""
    agent = visible_agent(request, agent_id)
    draft, concluded = classifications_of(agent)
    asked = request.GET.get("number", "")
    shown = next((one for one in concluded if str(one.number) == asked), concluded[0] if concluded else None)
    context = {
        "agent": agent,
        "told": told(shown) if shown else None,
        "concluded": concluded,
        "draft": told(draft) if draft else None,
        "may_classify": may_classify(agent, actor=request.actor),
    }
    return render(request, "agents/ai_act.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_VIEW)
def ai_act_answer(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """The questions that matter next, stage by stage; `?stage=` goes back to one. Decided, it shows what would follow."""
    agent = visible_agent(request, agent_id)
    require_classify(agent, actor=request.actor)
    draft = get_object_or_404(_drafts(request, agent))
    form = _stage_form(request, draft)
    if request.method == "POST" and form and form.is_valid():
        try:
            answer_questions(draft, form.answers(), version=form.cleaned_data["version"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            return redirect("agents:ai-act-answer", agent.pk)
    stage = questionnaire().stage(form.questions[0].stage) if form else None
    context = {"agent": agent, "told": told(draft), "form": form, "stage": stage}
    status = 422 if form and form.errors else 200
    return render(request, "agents/ai_act_answer.html", context, status=status)


@require_POST
@page(Permission.AGENTS_VIEW)
def ai_act_act(request: PageRequest, agent_id: UUID, verb: str) -> HttpResponse:
    """Begin, conclude or discard."""
    agent = visible_agent(request, agent_id)
    if verb == "begin":
        begin_classification(agent, actor=request.actor)
        return redirect("agents:ai-act-answer", agent.pk)
    draft = get_object_or_404(_drafts(request, agent))
    if verb == "discard":
        discard_classification(draft, actor=request.actor)
        messages.success(request, "The answers are discarded.")
    elif verb == "conclude":
        conclude_classification(draft, actor=request.actor)
        messages.success(request, f"The class of {agent.name} is on record.")
    else:
        raise NotFound("There is no such verb.")
    return redirect("agents:ai-act", agent.pk)


def _drafts(request: PageRequest, agent: Agent) -> QuerySet[AiActClassification]:
    visible = AiActClassification.objects.visible_to(request.actor)
    return visible.filter(agent=agent, state=AiActClassification.State.DRAFT).select_related("agent")


def _stage_form(request: PageRequest, draft: AiActClassification) -> StageForm | None:
    """None once it is decided and nobody went back."""
    questions, before = questions_at(draft, request.GET.get("stage", ""))
    if not questions:
        return None
    first = initial_answers(questions, draft.answers) | {"version": draft.version}
    return StageForm(questions, before, request.POST or None, initial=first)
