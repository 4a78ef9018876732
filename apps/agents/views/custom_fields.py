"""Fields an enterprise adds to agents: the list, defining one, removing one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.custom_forms import CustomFieldForm
from apps.agents.models import Agent, CustomField
from apps.agents.services.custom_fields import define_custom_field, edit_custom_field, remove_custom_field
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem


@require_safe
@page(Permission.AGENTS_VIEW)
def custom_fields(request: PageRequest) -> HttpResponse:
    """Every custom field, what it takes, and how many agents the actor sees have a value in it."""
    visible = Agent.objects.visible_to(request.actor).on_record()
    fields = CustomField.objects.prefetch_related("teams")
    context = {
        "lines": [(one, visible.filter(custom__has_key=one.key).count()) for one in fields],
        "may_define": access_of(request.actor).allows(Permission.AGENTS_CURATE),
    }
    return render(request, "agents/custom_fields.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def custom_field_edit(request: PageRequest, key: str = "") -> HttpResponse:
    """Define a field, or change it."""
    require(request.actor, Permission.AGENTS_CURATE)
    custom = get_object_or_404(CustomField, key=key) if key else None
    form = CustomFieldForm(request.POST or None, custom=custom)
    if request.method == "POST" and form.is_valid():
        try:
            saved = (
                edit_custom_field(custom, form.definition(), actor=request.actor)
                if custom
                else define_custom_field(form.cleaned_data["key"], form.definition(), actor=request.actor)
            )
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{saved.label} is saved.")
            return redirect("agents:custom-fields")
    context = {"custom": custom, "form": form}
    return render(request, "agents/custom_field_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.AGENTS_CURATE)
def custom_field_remove(request: PageRequest, key: str) -> HttpResponse:
    custom = get_object_or_404(CustomField, key=key)
    try:
        remove_custom_field(custom, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, f"{custom.label} is removed.")
    return redirect("agents:custom-fields")
