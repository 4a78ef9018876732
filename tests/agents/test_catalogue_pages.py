"""The catalogue by page: what is in it, who needs it, putting things in and taking them out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.agents.models import DataSource, Dependency, ModelEndpoint, PredictiveModel, System, Tool
from apps.identity.models import LedgerEntry
from tests import factories

pytestmark = pytest.mark.django_db


def test_every_kind_is_listed_with_how_many_agents_need_it(page: Client) -> None:
    made = {
        "tool": Tool.objects.create(name="lookup", server="crm"),
        "model": ModelEndpoint.objects.create(provider="openai", model="gpt-4o"),
        "predictive_model": PredictiveModel.objects.create(name="churn"),
        "data_source": DataSource.objects.create(name="Customers"),
        "system": System.objects.create(name="Core"),
    }
    for kind, asset in made.items():
        agent = factories.make_agent("registered", tier=3, name=f"user of {kind}")
        Dependency.objects.create(
            source_kind="agent", source_id=agent.pk, target_kind=kind, target_id=asset.pk, relation="calls", origin="declared",
        )  # fmt: skip
        text = page.get(reverse("agents:assets", args=[kind])).content.decode()
        assert str(asset) in text
        assert '<td class="num">1</td>' in text
        detail = page.get(reverse("agents:asset", args=[kind, asset.pk])).content.decode()
        assert agent.name in detail
    assert page.get(reverse("agents:catalogue")).headers["Location"] == reverse(
        "agents:assets", args=["tool"]
    )
    assert page.get(reverse("agents:assets", args=["moon"])).status_code == 404


def test_a_search_narrows_and_says_when_nothing_fits(page: Client) -> None:
    Tool.objects.create(name="lookup")
    Tool.objects.create(name="refund")
    text = page.get(reverse("agents:assets", args=["tool"]), {"q": "ref"}).content.decode()
    assert "refund" in text
    assert "lookup" not in text
    assert (
        b"Nothing is named like this"
        in page.get(reverse("agents:assets", args=["tool"]), {"q": "x\\"}).content
    )


def test_a_thing_is_put_in_changed_and_taken_out(page: Client) -> None:
    made = page.post(
        reverse("agents:asset-new", args=["data_source"]), {"name": "Payments", "data_class": "financial"}
    )
    source = DataSource.objects.get()
    assert made.headers["Location"] == reverse("agents:asset", args=["data_source", source.pk])
    where = reverse("agents:asset-edit", args=["data_source", source.pk])
    changes = {"name": "Payments", "data_class": "financial", "region": "eu", "version": source.version}
    page.post(where, changes)
    stale = page.post(where, changes | {"region": "us"})
    assert stale.status_code == 422
    source.refresh_from_db()
    assert source.region == "eu"
    page.post(reverse("agents:asset-remove", args=["data_source", source.pk]), {"reason": "Gone."})
    assert not DataSource.objects.exists()
    assert list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "agents.data_source.registered", "agents.data_source.edited", "agents.data_source.removed",
    ]  # fmt: skip


def test_what_is_needed_stays(page: Client) -> None:
    tool = Tool.objects.create(name="lookup")
    agent = factories.make_agent("registered", tier=1)
    Dependency.objects.create(
        source_kind="agent", source_id=agent.pk, target_kind="tool", target_id=tool.pk, relation="calls", origin="observed",
    )  # fmt: skip
    page.post(reverse("agents:asset-remove", args=["tool", tool.pk]), {"reason": "x"})
    assert Tool.objects.filter(pk=tool.pk).exists()


def test_a_form_says_what_is_wrong(page: Client) -> None:
    refused = page.post(reverse("agents:asset-new", args=["system"]), {"name": "", "criticality": "9"})
    assert refused.status_code == 422
    assert not System.objects.exists()
