"""`make demo` does the main job with live agents, as the readme says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.activity.models import OutcomeWatch, RunOutcome
from apps.activity.outcomes.watch import watch_outcomes
from apps.identity.roles import Role as RoleOf
from config.embedded.state import is_free
from demo.cast import CAST, Role
from demo.outcomes import past_runs, released_on
from tests import factories

ROOT = Path(__file__).resolve().parent.parent
STORY = (
    "nobody answers for it yet", "The curator adopted it", "runs of ticket_triage came to", "Move to production is refused", "Compliance certified it",
    "refund_agent is in production", "refund_agent is stopped",
)  # fmt: skip
WITHIN_S = 300
TOLD = [role for role in CAST if role.name in ("ticket_triage", "refund_agent")]


@pytest.mark.django_db
def test_of_the_agents_in_the_sample_one_does_its_job_worse_since_its_last_version() -> None:
    """What the demo sends, as it sends it: versions with their days, then the runs of twelve weeks."""
    team = factories.make_team()
    agents = {role.name: factories.make_agent("registered", 2, team) for role in TOLD}
    curator = factories.client_of(factories.make_person(RoleOf.CURATOR))
    cases = factories.client_of(factories.make_source(team), "ingest")
    for role in TOLD:
        _remember(role, str(agents[role.name].pk), curator, cases)
    watch_outcomes()
    fallen = OutcomeWatch.objects.filter(fell_at__isnull=False, measure="resolution")
    assert [watch.agent_id for watch in fallen] == [agents["ticket_triage"].pk]
    began = released_on(next(role for role in CAST if role.name == "ticket_triage"))[-1][2]
    assert abs(fallen.get().fell_at - began) < timedelta(days=7)
    versions = set(RunOutcome.objects.values_list("agent_id", "version__number").distinct())
    assert versions == {(agent.pk, number) for agent in agents.values() for number in (1, 2)}


def _remember(role: Role, agent: str, curator: Any, cases: Any) -> None:
    for model, label, since in released_on(role):
        body = {"model": model, "label": label, "since": since.isoformat()}
        assert curator.post(f"/api/v1/agents/{agent}/versions", body, format="json").status_code == 201
    runs = past_runs(role, agent)
    for first in range(0, len(runs), 1000):
        answer = cases.post("/api/v1/outcomes", runs[first : first + 1000], format="json")
        assert {one["status"] for one in answer.json()["results"]} == {"recorded"}


def test_the_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    port = next(port for port in range(8400, 8500) if is_free(port))
    environment = {
        k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    }
    environment |= {"CHANCERY_STATE_DIR": str(tmp_path), "CHANCERY_PORT": str(port), "COLUMNS": "400"}
    told = tmp_path / "told.txt"
    with told.open("wb") as file:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "config.launch", "demo"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + WITHIN_S
        while STORY[-1] not in told.read_text() and time.monotonic() < deadline and launcher.poll() is None:
            time.sleep(0.5)
    finally:
        launcher.send_signal(signal.SIGTERM)
        status = launcher.wait(120)
    text = told.read_text()
    assert [line for line in STORY if line not in text] == [], text
    assert "Password    " in text
    assert status == 0
    assert "Stopped." in text
