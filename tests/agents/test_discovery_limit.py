"""A source that shows ever new agents is held to a limit, and that it was is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.agents.models import BEYOND, Agent
from apps.agents.services.discovery import Sighting, mark_seen, resolve_agents
from apps.identity.models import LedgerEntry, Principal
from config.checkup import run_checks
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.MOST_NEW_AGENTS_PER_HOUR = 3


def seen(source: Principal, *services: str) -> list[Agent]:
    sightings = [Sighting(source.pk, service, "", seen_at=timezone.now()) for service in services]
    found = resolve_agents(sightings)
    mark_seen(found)
    return [found[sighting] for sighting in sightings]


def test_beyond_the_limit_one_agent_stands_for_the_rest_of_its_source() -> None:
    source, other = factories.make_source(), factories.make_source()
    first = seen(source, "pod-1", "pod-2")
    rest = seen(source, "pod-3", "pod-4", "pod-5", "pod-1") + seen(source, "pod-6")
    assert len({*first, rest[0]}) == 3
    assert rest[1] == rest[2] == rest[4]
    assert rest[3] == first[0]
    stand_in = rest[1]
    assert (stand_in.name, stand_in.aliases.get().service_name) == (f"More agents of {source.name}", BEYOND)
    assert "beyond 3 new ones within an hour" in stand_in.purpose
    assert LedgerEntry.objects.filter(action="agents.discovery.limited").count() == 1
    assert seen(other, "pod-4")[0] not in {*first, *rest}


def test_the_doctor_names_the_source() -> None:
    source = factories.make_source()
    assert next(one for one in run_checks() if one.name == "discovery").passed
    seen(source, "pod-1", "pod-2", "pod-3", "pod-4")
    finding = next(one for one in run_checks() if one.name == "discovery")
    assert (finding.passed, source.name in finding.words) == (False, True)
