"""What agents are certified against: frameworks and their controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.compliance.models import Control, Framework
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput

FRAMEWORK_FIELDS = ("name", "edition", "summary", "is_active")
CONTROL_FIELDS = ("title", "requirement", "reference", "severity", "position")
Thing = Framework | Control


@transaction.atomic
def create_framework(key: str, stated: Mapping[str, Any], *, actor: Principal) -> Framework:
    """A framework without controls; it certifies nothing until it has some. `stated` names FRAMEWORK_FIELDS."""
    require(actor, Permission.COMPLIANCE_CERTIFY)
    if Framework.objects.filter(key=key).exists():
        raise Conflict(f"There is a framework {key} already.", code="compliance.framework.exists")
    framework = Framework(key=key)
    _set(framework, stated, FRAMEWORK_FIELDS)
    framework.save(force_insert=True)
    _record("compliance.framework.created", framework, actor, "", {"name": framework.name})
    return framework


@transaction.atomic
def edit_framework(
    framework: Framework, changes: Mapping[str, Any], *, actor: Principal, reason: str = ""
) -> Framework:
    """Change what a framework is called and whether it is in use. Certifications given stay as they are."""
    require(actor, Permission.COMPLIANCE_CERTIFY)
    framework = Framework.objects.select_for_update().get(pk=framework.pk)
    differences = _set(framework, changes, FRAMEWORK_FIELDS)
    if differences:
        framework.save()
        _record("compliance.framework.edited", framework, actor, reason, {"changes": differences})
    return framework


@transaction.atomic
def add_control(framework: Framework, code: str, stated: Mapping[str, Any], *, actor: Principal) -> Control:
    """One more requirement; certifications from now on must judge it. `stated` names CONTROL_FIELDS."""
    require(actor, Permission.COMPLIANCE_CERTIFY)
    framework = Framework.objects.select_for_update().get(pk=framework.pk)
    if framework.controls.filter(code=code).exists():
        raise Conflict(f"{framework.name} has a control {code} already.", code="compliance.control.exists")
    control = Control(framework=framework, code=code)
    _set(control, stated, CONTROL_FIELDS)
    control.save(force_insert=True)
    detail = {"code": code, "title": control.title, "severity": control.severity}
    _record("compliance.control.added", framework, actor, "", detail)
    return control


@transaction.atomic
def edit_control(
    control: Control, changes: Mapping[str, Any], *, actor: Principal, reason: str = ""
) -> Control:
    """Change what a control asks for. What was judged before stays, with its certification."""
    require(actor, Permission.COMPLIANCE_CERTIFY)
    control = Control.objects.select_for_update(of=("self",)).select_related("framework").get(pk=control.pk)
    differences = _set(control, changes, CONTROL_FIELDS)
    if differences:
        control.save()
        detail = {"code": control.code, "changes": differences}
        _record("compliance.control.edited", control.framework, actor, reason, detail)
    return control


def _set(thing: Thing, changes: Mapping[str, Any], allowed: tuple[str, ...]) -> dict[str, list[str]]:
    """Set what differs; {field: [before, after]}. Raises InvalidInput for what the columns refuse."""
    unknown = sorted(set(changes) - set(allowed))
    if unknown:
        raise InvalidInput(
            "Some fields cannot be set.", fields=dict.fromkeys(unknown, "There is no such field")
        )
    differences = {}
    for name, value in changes.items():
        before = getattr(thing, name)
        if before != value:
            setattr(thing, name, value)
            differences[name] = [str(before), str(value)]
    try:
        thing.clean_fields(exclude=["framework"])
    except ValidationError as error:
        fields = {name: " ".join(words) for name, words in error.message_dict.items()}
        raise InvalidInput("Some fields are not as expected.", fields=fields) from error
    return differences


def _record(action: str, framework: Framework, actor: Principal, reason: str, detail: dict[str, Any]) -> None:
    record_act(action, actor=actor, target=("framework", framework.key), reason=reason, detail=detail)
