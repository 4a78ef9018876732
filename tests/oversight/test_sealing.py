"""What was allowed stands in the ledger by its root: each decision can be proved to be in it, and a changed one cannot."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from apps.identity.ledger.merkle import inclusion_path, leaf_hash, verify_inclusion
from apps.identity.models import LedgerEntry
from apps.oversight.models import Decision
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.sealing import find_seal, seal_decisions, told_of
from tests import factories

pytestmark = pytest.mark.django_db


def test_each_allowed_decision_is_sealed_once_and_can_be_proved() -> None:
    agent = factories.make_agent("production", tier=1)
    made = [decide(agent, Question(f"tool{n}"), actor=agent.principal) for n in range(5)]
    soon = timezone.now() + timedelta(minutes=2)
    assert [seal_decisions(soon), seal_decisions(soon)] == [5, 0]
    entry = LedgerEntry.objects.get(action="oversight.decisions.sealed")
    detail = orjson.loads(bytes(entry.body))["detail"]
    assert detail["count"] == 5

    decision = Decision.objects.get(pk=made[3].pk)
    found = find_seal(decision)
    assert found is not None
    assert found[0] == entry
    ids, leaves = zip(*found[1], strict=True)
    at, root = ids.index(decision.pk), bytes.fromhex(detail["root"])
    path = inclusion_path(leaves, at)
    assert verify_inclusion(leaf_hash(told_of(decision)), at, len(leaves), path, root)
    decision.code = "grant.given"
    assert not verify_inclusion(leaf_hash(told_of(decision)), at, len(leaves), path, root)
