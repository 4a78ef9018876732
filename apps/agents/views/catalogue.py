"""The catalogue: tools, models, predictive models, data sources and systems that agents use."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.catalogue_forms import asset_form
from apps.agents.graph import UP, neighbourhood
from apps.agents.models import ASSETS, Asset, Dependency, NodeKind
from apps.agents.services.catalogue import edit_asset, register_asset, remove_asset
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

KINDS: dict[str, tuple[str, str]] = {
    "tool": ("Tools", "What agents call by name. Every tool seen in a call is here by itself."),
    "model": (
        "Models",
        "Models as providers serve them. Every model that answered an agent is here by itself.",
    ),
    "predictive_model": ("Predictive models", "Models under MLOps that agents use as tools."),
    "data_source": ("Data sources", "Data that agents read or write, by its most sensitive class."),
    "system": ("Systems", "Applications, platforms and business services that agents rest on."),
}
LISTED = 100


@require_safe
@page(Permission.AGENTS_VIEW)
def catalogue(request: PageRequest) -> HttpResponse:
    """The catalogue begins with tools."""
    return redirect("agents:assets", next(iter(KINDS)))


@require_safe
@page(Permission.AGENTS_VIEW)
def asset_list(request: PageRequest, kind: str) -> HttpResponse:
    """One kind of the catalogue with how many agents need each thing."""
    assets = _visible(request, kind)
    text = request.GET.get("q", "").strip()[:200]
    if text and "\0" not in text:
        assets = assets.filter(_named(assets, text))
    shown = page_of(request, assets.annotate(needed_by=_needed_by()), _order(kind))
    context = {
        "kind": kind,
        "words": KINDS[kind],
        "kinds": [(key, words[0]) for key, words in KINDS.items()],
        "page": shown,
        "assets": shown.rows,
        "total": assets.count(),
        "text": text,
        "may_curate": access_of(request.actor).allows_somewhere(Permission.AGENTS_CURATE),
    }
    return render(request, "agents/asset_list.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def asset_detail(request: PageRequest, kind: str, pk: UUID) -> HttpResponse:
    """One thing of the catalogue, and which agents need it."""
    asset = get_object_or_404(_visible(request, kind), pk=pk)
    around = neighbourhood((kind, pk), actor=request.actor, direction=UP, hops=1)
    users = sorted((n for n in around.nodes.values() if n.hops == 1), key=lambda n: (-(n.tier or 0), n.name))
    context = {
        "kind": kind,
        "words": KINDS[kind],
        "asset": asset,
        "facts": _facts(asset),
        "operations": asset.operations.all() if kind == "tool" else (),
        "users": users[:LISTED],
        "more": max(len(users) - LISTED, 0),
        "is_cut": around.is_cut,
        "may_curate": access_of(request.actor).allows(Permission.AGENTS_CURATE, asset.team_id),
    }
    return render(request, "agents/asset_detail.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def asset_edit(request: PageRequest, kind: str, pk: UUID | None = None) -> HttpResponse:
    """Put something into the catalogue, or change it."""
    asset = get_object_or_404(_visible(request, kind), pk=pk) if pk else None
    form = asset_form(kind, asset, request.POST or None, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(kind, asset, form, request)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{saved} is saved.")
            return redirect("agents:asset", kind, saved.pk)
    context = {"kind": kind, "words": KINDS[kind], "asset": asset, "form": form}
    return render(request, "agents/asset_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.AGENTS_CURATE)
def asset_remove(request: PageRequest, kind: str, pk: UUID) -> HttpResponse:
    """Take it out of the catalogue; refused while anything depends on it."""
    asset = get_object_or_404(_visible(request, kind), pk=pk)
    try:
        remove_asset(kind, asset.pk, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("agents:asset", kind, asset.pk)
    messages.success(request, f"{asset} is out of the catalogue.")
    return redirect("agents:assets", kind)


def _save(kind: str, asset: Asset | None, form: forms.Form, request: PageRequest) -> Asset:
    values = dict(form.cleaned_data)
    version = values.pop("version", None)
    if asset is None:
        return register_asset(kind, values, actor=request.actor)
    return edit_asset(kind, asset.pk, values, version=version, actor=request.actor)


def _visible(request: PageRequest, kind: str) -> QuerySet[Any]:
    if kind not in KINDS:
        raise Http404
    model: Any = ASSETS[kind]
    return model.objects.visible_to(request.actor).select_related("owner", "team")


def _named(assets: QuerySet[Any], text: str) -> Q:
    columns = {field.name for field in assets.model._meta.fields} & {"name", "server", "provider", "model"}
    condition = Q()
    for column in columns:
        condition |= Q(**{f"{column}__icontains": text})
    return condition


def _needed_by() -> Subquery:
    edges = Dependency.objects.filter(target_id=OuterRef("pk"), source_kind=NodeKind.AGENT).order_by()
    return Subquery(edges.values("target_id").annotate(n=Count("source_id", distinct=True)).values("n"))


def _order(kind: str) -> tuple[str, ...]:
    return ("model", "provider", "id") if kind == "model" else ("name", "id")


def _facts(asset: Asset) -> list[tuple[str, str]]:
    """What its own fields say, in words; empty ones are left out."""
    skipped = {"id", "version", "description", "owner", "team", "created_at", "updated_at", "schema", "name"}
    found = []
    for field in asset._meta.concrete_fields:
        if field.name not in skipped and (value := getattr(asset, field.name)) not in (None, "", []):
            told = getattr(asset, f"get_{field.name}_display", lambda value=value: value)()  # type: ignore[misc]
            words = ", ".join(map(str, told)) if isinstance(told, list) else str(told)
            found.append((str(field.verbose_name).capitalize().replace("url", "address"), words))
    return found
