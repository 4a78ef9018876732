"""People, teams, sources and agents for tests, made as the product makes them."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from apps.agents import risk
from apps.agents.models import Agent, State
from apps.agents.services.registry import Adoption, new_agent
from apps.compliance.models import Certification, Framework
from apps.compliance.services.certifications import CertificationRequest, ControlJudgement, certify_agent
from apps.identity.models import ApiKey, Person, Principal, RoleAssignment, Team
from apps.identity.roles import Role
from apps.identity.services.keys import MintedKey, hash_of

PASSWORD = "correct-horse-battery"
_numbers = count(1)


def make_team(name: str = "") -> Team:
    return Team.objects.create(name=name or f"Team {next(_numbers)}")


def make_person(
    role: str | None = None, team: Team | None = None, name: str = "", password: str | None = None
) -> Principal:
    """A person's principal holding `role`, everywhere or for `team`."""
    number = next(_numbers)
    name = name or f"Person {number}"
    is_admin = role == Role.ADMINISTRATOR
    person = Person.objects.create_user(f"person{number}@example.org", name, password, is_staff=is_admin)
    if role:
        RoleAssignment.objects.create(principal=person.principal, role=role, team=team)
    return person.principal


def make_source(team: Team | None = None) -> Principal:
    return Principal.objects.create(kind="service", name=f"Source {next(_numbers)}", team=team)


def make_key(principal: Principal, scopes: list[str], **changes: Any) -> MintedKey:
    """A key with its token, minted without asking who may."""
    prefix = f"t{next(_numbers):09d}"
    token = f"chy_{prefix}_{'s' * 43}"
    values = {
        "principal": principal, "name": "test", "prefix": prefix, "secret_hash": hash_of(token), "scopes": scopes,
        "created_by": principal, "expires_at": timezone.now() + timedelta(days=1),
    } | changes  # fmt: skip
    return MintedKey(ApiKey.objects.create(**values), token)


def make_agent(
    state: str = State.DISCOVERED, tier: int | None = None, team: Team | None = None, **fields: Any
) -> Agent:
    """An agent in any state, with owner, deputy and answers that give `tier`."""
    name = fields.pop("name", f"agent_{next(_numbers)}")
    if tier is not None:
        fields = dict.fromkeys(risk.FIELDS, tier) | {"tier": tier, "purpose": "Does its work."} | fields
    if state not in (State.DISCOVERED, State.DRAFT):
        fields.setdefault("owner", make_person(Role.OWNER, team))
        fields.setdefault("deputy", make_person(Role.OWNER, team))
    return new_agent(name, state=state, team=team, **fields)


def make_adoption(level: int = 3, **changes: Any) -> Adoption:
    values = dict.fromkeys(risk.FIELDS, level) | {
        "owner": make_person(Role.OWNER), "deputy": make_person(Role.OWNER), "purpose": "Refunds orders.",
    } | changes  # fmt: skip
    return Adoption(**values)


def certify(agent: Agent, actor: Principal | None = None) -> Certification:
    """An active certification against the framework that ships, every control passing."""
    framework = Framework.objects.get(key="eu-ai-act")
    controls = {control.code: ControlJudgement("pass") for control in framework.controls.all()}
    request = CertificationRequest(framework, "Trial of 40 conversations.", controls)
    return certify_agent(agent, request, actor=actor or make_person(Role.COMPLIANCE))


def client_of(principal: Principal, *scopes: str) -> APIClient:
    """REST with a key of this principal."""
    token = make_key(principal, list(scopes or ("read", "write", "decide"))).token
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client
