"""What a certification of a definition is worth: it covers the tier it was given for and nothing above it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.agents import risk
from apps.agents.models import Agent, Blueprint, ObservedModel
from apps.agents.services.blueprints import Definition, create_blueprint
from apps.agents.services.instances import attach_agents
from apps.agents.services.registry import edit_agent
from apps.compliance.models import BlueprintCertification, Certification
from apps.compliance.services.blueprints import certify_blueprint
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import NotPermitted
from tests import factories
from tests.agents.test_blueprints import judged, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator() -> Principal:
    return factories.make_person(Role.CURATOR)


@pytest.fixture
def officer() -> Principal:
    return factories.make_person(Role.COMPLIANCE)


def grave(actor: Principal, **values: object) -> Blueprint:
    """A definition whose answers are mild and whose class is of high risk: tier 3 by the policy that ships."""
    shared = {"purpose": "Ranks applicants.", "ai_act_class": "high_risk", **dict.fromkeys(risk.FIELDS, 1)}
    return create_blueprint(Definition("Ranking", values={**shared, **values}), actor=actor)


def test_a_definition_is_judged_for_the_tier_the_policy_gives_it(
    curator: Principal, officer: Principal
) -> None:
    blueprint = grave(curator)
    (agent,) = make(blueprint, curator, "A")
    results = certify_blueprint(blueprint, judged(), actor=officer).results
    given = BlueprintCertification.objects.get()
    assert (given.tier, given.expires_at - given.certified_at) == (3, timedelta(days=180))
    agent.refresh_from_db()
    assert ([one.status for one in results], agent.certified_until) == (["done"], given.expires_at)


def test_whom_a_definition_of_high_risk_names_as_owner_does_not_certify_it(
    curator: Principal, officer: Principal
) -> None:
    with pytest.raises(NotPermitted) as refused:
        certify_blueprint(grave(curator, owner=officer), judged(), actor=officer)
    assert refused.value.code == "compliance.certifier_is_owner"


def test_an_instance_of_a_higher_tier_keeps_the_certification_of_its_own(
    curator: Principal, officer: Principal
) -> None:
    shared = dict.fromkeys(risk.FIELDS, 1)
    blueprint = create_blueprint(Definition("Mild", values=shared), actor=curator)
    (agent,) = make(blueprint, curator, "A")
    edit_agent(agent, {"ai_act_class": "high_risk"}, actor=curator)  # the definition says nothing of it
    own = factories.certify(agent)
    (result,) = certify_blueprint(blueprint, judged(), actor=officer).results
    assert (result.status, "tier 3" in result.message) == ("refused", True)
    assert list(Certification.objects.filter(status="active")) == [own]
    assert Agent.objects.get().certified_until == own.expires_at


def test_the_pages_show_the_tier_that_would_be_certified(
    curator: Principal, officer: Principal, client: Client
) -> None:
    blueprint = grave(curator)
    administrator = factories.make_person(Role.ADMINISTRATOR)
    client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
    shown = client.get(reverse("agents:blueprint", args=[blueprint.pk])).content.decode()
    assert "Tier 3" in shown
    form = client.get(reverse("compliance:blueprint-certify", args=[blueprint.pk, "eu-ai-act"]))
    assert "Tier 3" in form.content.decode()


def test_a_new_instance_that_another_model_answers_is_not_covered(
    curator: Principal, officer: Principal
) -> None:
    blueprint = create_blueprint(Definition("Mild", values=dict.fromkeys(risk.FIELDS, 1)), actor=curator)
    (first,) = make(blueprint, curator, "A")
    answered_by(first, "small")
    certify_blueprint(blueprint, judged(), actor=officer)
    assert Certification.objects.get().baseline["models"] == ["small"]
    same, other = (factories.make_agent("registered", tier=1) for _ in range(2))
    answered_by(same, "small")
    answered_by(other, "other")
    results = attach_agents(blueprint, [same.pk, other.pk], actor=curator).results
    told = {one.agent: one.message for one in results}
    assert told[same] == ""
    assert "it uses other" in told[other]
    assert (same.certifications.count(), other.certifications.count()) == (1, 0)


def answered_by(agent: Agent, model: str) -> None:
    now = timezone.now()
    ObservedModel.objects.create(agent=agent, model=model, calls=1, first_seen=now, last_seen=now)
