"""Whoever sees one team's agents sees what these are made of, not what others' agents are made of."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.agents.models import DataSource, ModelEndpoint, Tool
from apps.agents.services.catalogue import register_asset
from apps.agents.services.discovery import ModelUse, ToolUse, record_model_uses, record_tool_uses
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_viewer_of_one_team_sees_its_tools_and_those_on_record(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    curator, viewer = factories.make_person(Role.CURATOR), factories.make_person(Role.VIEWER, ours)
    mine = factories.make_agent("registered", tier=1, team=ours)
    foreign = factories.make_agent("registered", tier=1, team=theirs)
    now = timezone.now()
    record_tool_uses(
        [ToolUse(mine.pk, "ours", "", 1, now, now), ToolUse(foreign.pk, "acquire_rival", "", 1, now, now)]
    )
    record_model_uses([ModelUse(foreign.pk, "x", "secret-model", 1, now, now)])
    register_asset("tool", {"name": "for_everybody"}, actor=curator)
    register_asset("tool", {"name": "theirs_on_record", "team": theirs}, actor=curator)
    register_asset("tool", {"name": "owned_by_us", "team": ours}, actor=curator)
    register_asset("data_source", {"name": "orders"}, actor=curator)
    granted = Tool.objects.create(name="granted", team=theirs)
    grant_tool(mine, GrantRequest(granted, "Its work"), actor=curator)
    from apps.identity.access import access_of

    access_of(viewer)
    with django_assert_num_queries(1):
        names = sorted(Tool.objects.visible_to(viewer).values_list("name", flat=True))
    assert names == ["for_everybody", "granted", "ours", "owned_by_us"]
    assert not ModelEndpoint.objects.visible_to(viewer).exists()
    assert DataSource.objects.visible_to(viewer).count() == 1
    assert Tool.objects.visible_to(curator).count() == 6
    listed = factories.client_of(viewer, "read").get("/api/v1/tools").json()["results"]
    assert sorted(tool["name"] for tool in listed) == names
