"""Seconds that acts on a blueprint take, each over all its instances in one transaction.

    python bench/blueprints.py           500 instances
    python bench/blueprints.py --quick   40

Runs in this process on embedded servers of its own; everything is undone. Keys: one for each act.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.db import transaction

from apps.agents import risk
from apps.agents.models import Blueprint, Tool
from apps.agents.services.blueprint_grants import grant_to_blueprint
from apps.agents.services.blueprints import Definition, create_blueprint, edit_blueprint
from apps.agents.services.grants import GrantRequest
from apps.agents.services.instances import NewInstance, make_instances
from apps.compliance.models import Framework
from apps.compliance.services.blueprints import certify_blueprint
from apps.compliance.services.certifications import CertificationRequest, ControlJudgement
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.oversight.services.blueprints import reset_blueprint, set_blueprint_policy, stop_blueprint
from bench.rig import arguments, result
from tests import factories

VALUES = {"purpose": "Answers tellers.", "framework": "crewai", **dict.fromkeys(risk.FIELDS, 3)}


def judged() -> CertificationRequest:
    framework = Framework.objects.get(key="eu-ai-act")
    controls = {control.code: ControlJudgement("pass") for control in framework.controls.all()}
    return CertificationRequest(framework, "Trial in one branch.", controls)


def acts(blueprint: Blueprint, size: int, actor: Principal) -> dict[str, Callable[[], object]]:
    """The acts in their order; the last change of the definition ends every certification."""
    officer, names = factories.make_person(Role.COMPLIANCE), [NewInstance(f"Branch {n}") for n in range(size)]

    def define(**changes: object) -> object:
        values = {**blueprint.defaults, **changes}
        return edit_blueprint(blueprint, Definition(blueprint.name, values=values), actor=actor)

    grant = GrantRequest(Tool.objects.create(name="lookup"), "Their work")
    return {
        "make": lambda: make_instances(blueprint, names, actor=actor),
        "define": lambda: define(business_service="Retail"),
        "grant": lambda: grant_to_blueprint(blueprint, grant, actor=actor),
        "policy": lambda: set_blueprint_policy(blueprint, ["lookup"], actor=actor, reason="Least privilege"),
        "certify": lambda: certify_blueprint(blueprint, judged(), actor=officer),
        "define_certified": lambda: define(framework="langgraph"),
        "stop": lambda: stop_blueprint(blueprint, actor=actor, reason="Trial"),
        "reset": lambda: reset_blueprint(
            blueprint, actor=actor, reason="Over", corrective_action="None needed"
        ),
    }


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    size, taken = 40 if given.quick else 500, {}
    with transaction.atomic():
        actor = factories.make_person(Role.ADMINISTRATOR)
        blueprint = create_blueprint(Definition("Branch teller", values=VALUES), actor=actor)
        for name, act in acts(blueprint, size, actor).items():
            began = time.monotonic()
            act()
            taken[f"{name}_s"] = round(time.monotonic() - began, 2)
        transaction.set_rollback(True)
    result(instances=size, **taken)
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())
