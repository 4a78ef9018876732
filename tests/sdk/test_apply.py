"""`chancery apply` against a running server: the plan, making it true, faults by file and line, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chancery_sdk import command
from chancery_sdk.declare import applying, reading

from apps.agents.models import Agent, Declaration
from apps.agents.services.registry import edit_agent
from apps.identity.roles import Role
from tests import factories

FILE = """\
# yaml-language-server: $schema=https://chancery.example/schemas/chancery.schema.json
version: 1
agents:
  - name: Order desk
    purpose: Answers what became of an order.
    framework: crewai
    tools:
      - orders/lookup_order
      - name: orders/refund
        grant: true
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git = tmp_path / ".git"
    git.mkdir()
    (git / "config").write_text('[remote "origin"]\n\turl = https://u:p@git.example.org/shop/orders.git\n')
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"{'c' * 40} refs/heads/main\n")
    (tmp_path / "chancery.yaml").write_text(FILE)
    return tmp_path


@pytest.fixture
def door(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    token = factories.make_key(factories.make_source(factories.make_team("Shop")), ["declare"]).token
    monkeypatch.setenv("CHANCERY_KEY", token)
    for name in applying.COMMITS:
        monkeypatch.delenv(name, raising=False)
    return ["--server", live_server.url]


@pytest.mark.django_db(transaction=True)
def test_the_plan_is_shown_then_made_true_then_nothing_is_left_to_do(
    repository: Path, door: list[str], capsys: Any
) -> None:
    apply = ["apply", str(repository), *door]
    assert command.main([*apply, "--dry-run"]) == applying.DONE
    shown = capsys.readouterr()
    assert "+ Order desk: created" in shown.out
    assert "~ Framework: crewai  [" in shown.out
    assert f"[{repository}/chancery.yaml:6]" in shown.out
    assert "nothing was written" in shown.err
    assert not Agent.objects.exists()
    assert command.main([*apply, "--check"]) == applying.OTHERWISE
    assert command.main(apply) == applying.DONE
    declaration = Declaration.objects.get()
    assert (declaration.repository, declaration.path) == (
        "https://git.example.org/shop/orders",
        "chancery.yaml",
    )
    assert (declaration.commit, declaration.line) == ("c" * 40, 4)
    capsys.readouterr()
    (repository / "chancery.yaml").write_text(FILE.replace("        grant: true\n", ""))
    assert command.main([*apply, "--check"]) == applying.DONE, "one more apply would change nothing"
    edit_agent(Agent.objects.get(), {"framework": "langgraph"}, actor=factories.make_person(Role.CURATOR))
    assert command.main([*apply, "--fail-on-kept-back"]) == applying.OTHERWISE
    assert "! Framework stays langgraph: kept back." in capsys.readouterr().out
    assert command.main([*apply, "--json"]) == applying.DONE
    assert json.loads(capsys.readouterr().out)["results"][0]["status"] == "unchanged"


@pytest.mark.django_db(transaction=True)
def test_a_fault_is_told_by_file_line_and_field(repository: Path, door: list[str], capsys: Any) -> None:
    file = repository / "chancery.yaml"
    file.write_text(FILE.replace("framework: crewai", "owner: nobody@example.org"))
    assert command.main(["apply", str(file), *door]) == applying.WRONG
    assert f"{file}:6: owner: Nobody here is called nobody@example.org" in capsys.readouterr().err
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("agents:\n  - name: a\n    name: b\n", ":3: agents/0/name: It stands here twice"),
        ("agents:\n  - name: [a\n", "This is no YAML"),
        ("agents:\n  - name: !!python/object:os.system x\n", ":2: agents/0/name: The tag"),
        ("owner: me\n", ":1: agents: List at least one agent"),
        ('agents:\n  - name: "\\ud800"\n', ":2: agents/0/name: The text holds half of a character"),
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + at)}: &{chr(98 + at)} [{', '.join([f'*{chr(97 + at)}'] * 10)}]\n" for at in range(6)
        ), "too many values"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_before_anything_is_sent(
    tmp_path: Path, text: str, told: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chancery.yaml").write_text(text)
    monkeypatch.setenv("CHANCERY_KEY", "k")
    assert command.main(["apply", str(tmp_path), "--server", "https://nowhere.invalid"]) == applying.WRONG
    assert told in capsys.readouterr().err


def test_what_agents_share_is_written_once(tmp_path: Path) -> None:
    file = tmp_path / "chancery.yaml"
    file.write_text(
        "x-shared: &shared\n  team: Orders\n  framework: crewai\n"
        "agents:\n- name: a\n  <<: *shared\n  framework: autogen\n- {name: b, <<: *shared}\n"
    )
    read = reading.read_file(file)
    assert read.faults == []
    assert read.agents[0] == {"name": "a", "team": "Orders", "framework": "autogen"}
    assert read.agents[1]["framework"] == "crewai"
    assert (read.line_of("agents/0/framework"), read.line_of("agents/1/framework")) == (7, 3)


def test_dates_and_numbers_stay_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "chancery.yaml"
    file.write_text("agents:\n- name: a\n  retention_days: 30\n  custom: {since: 2026-03-01, code: '007'}\n")
    read = reading.read_file(file)
    assert read.agents[0]["retention_days"] == 30
    assert read.agents[0]["custom"] == {"since": "2026-03-01", "code": "007"}
    assert read.lines_of(0) == {
        "": 2,
        "name": 2,
        "retention_days": 3,
        "custom": 4,
        "custom/since": 4,
        "custom/code": 4,
    }
