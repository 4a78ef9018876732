"""The command: what it prints, how it ends, and that a report happens once however often it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from chancery_sdk import command
from chancery_sdk.posting import ATTEMPTS, Door, NotPosted, post_findings
from chancery_sdk.scan import Finding, Limits, scan_path

from apps.agents.models import Candidate
from apps.agents.services.candidate_decisions import adopt_candidate, ignore_candidate
from apps.identity.roles import Role
from tests import factories

AGENT = "from agents import Agent\ndesk = Agent(name='Desk', model='gpt-5')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "desk.py").write_text(AGENT)
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"pg": {"command": "pg"}}}')
    return tmp_path


def test_findings_are_a_table_or_one_json_object_a_line(folder: Path, capsys: Any) -> None:
    assert command.main(["scan", str(folder)]) == command.DONE
    shown = capsys.readouterr()
    assert "Desk" in shown.out
    assert "app/desk.py:2" in shown.out
    assert "2 found in 2 files" in shown.err
    assert command.main(["scan", str(folder), "--json"]) == command.DONE
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"] for line in lines} == {"Desk", None}


def test_a_name_cannot_steer_the_terminal(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.py").write_text("from agents import Agent\na = Agent(name='\\x1b[2JDesk')\n")
    command.main(["scan", str(tmp_path)])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scan", "/nowhere/at/all"], command.UNREADABLE),
        (["scan", ".", "--post", "https://x.example", "--key-env", "NO_SUCH_KEY"], command.USAGE),
        (["scan", ".", "--fail-on-unregistered"], command.USAGE),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(arguments: list[str], code: int, capsys: Any) -> None:
    assert command.main(arguments) == code
    assert capsys.readouterr().err


def test_a_limit_that_ends_the_scan_is_told(folder: Path) -> None:
    assert scan_path(folder, Limits(files=1)).stopped_by == "files"
    assert scan_path(folder, Limits(findings=1)).stopped_by == "findings"
    assert command.main(["scan", str(folder), "--seconds", "0"]) == command.INCOMPLETE


def test_large_linked_binary_and_vendored_files_are_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "large.py").write_text(AGENT + "#" * 2000)
    (folder / "binary.py").write_bytes(b"\0" + AGENT.encode())
    (folder / "link.py").symlink_to(folder / "app" / "desk.py")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "x.py").write_text(AGENT)
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").write_text("")
    (folder / "env" / "x.py").write_text(AGENT)
    scanned = scan_path(folder, Limits(bytes_per_file=1000))
    assert [one.name for one in scanned.findings if one.name] == ["Desk"]
    assert dict(scanned.left_out) == {"too large": 1, "not text": 1}


def test_the_source_is_the_address_of_the_repository_without_credentials(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text(
        '[remote "origin"]\n\turl = https://user:secret@git.example.org/a/b.git\n'
    )
    assert command.source_of(folder / "app") == "https://git.example.org/a/b.git"


def finding(name: str) -> Finding:
    return Finding("crewai-code", "crewai", name=name, place=f"{name}.py:1")


class Stumbling(httpx.BaseTransport):
    """The network in front of a real server: answers as told at first, or loses an answer that was given."""

    def __init__(self, *faults: int | str) -> None:
        self.faults, self.inner, self.keys = list(faults), httpx.HTTPTransport(), list[str]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return httpx.Response(
                fault, headers={"Retry-After": "7"} if fault == 429 else {}, json={"detail": "Busy."}
            )
        if fault == "unreachable":
            raise httpx.ConnectError("refused")
        response = self.inner.handle_request(request)
        if fault == "lost":
            response.read()
            raise httpx.ReadError("connection reset")
        return response

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def key() -> str:
    return factories.make_key(factories.make_source(factories.make_team("Shop")), ["report"]).token


@pytest.mark.django_db(transaction=True)
def test_a_report_gets_through_a_bad_network_and_happens_once(live_server: Any, key: str) -> None:
    waits: list[float] = []
    network = Stumbling(503, "unreachable", 429, "lost")
    door = Door(live_server.url, key, sleep=waits.append, transport=network)
    results = post_findings([finding("a"), finding("b")], door, source="repo", source_kind="repository_scan")
    assert [one["outcome"] for one in results] == ["new", "new"], (
        "the lost answer is given again, not made again"
    )
    assert Candidate.objects.count() == 2
    assert len(set(network.keys)) == 1
    assert len(waits) == 4
    assert waits[2] == 7.0


@pytest.mark.django_db(transaction=True)
def test_many_findings_go_in_batches_and_keep_their_order(live_server: Any, key: str) -> None:
    network = Stumbling()
    names = [f"agent {at}" for at in range(620)]
    door = Door(live_server.url, key, transport=network)
    results = post_findings(
        [finding(name) for name in names], door, source="repo", source_kind="repository_scan"
    )
    assert [one["name"] for one in results] == names
    assert len(set(network.keys)) == 2


def test_a_server_that_stays_away_is_given_up() -> None:
    door = Door(
        "http://localhost:1", "k", sleep=lambda _: None, transport=Stumbling(*["unreachable"] * ATTEMPTS)
    )
    with pytest.raises(NotPosted, match="Given up after 6 attempts"):
        post_findings([finding("a")], door, source="s", source_kind="cloud")


def test_a_key_never_travels_unencrypted_to_another_machine() -> None:
    with pytest.raises(NotPosted, match="https"):
        post_findings([finding("a")], Door("http://chancery.example", "k"), source="s", source_kind="cloud")


@pytest.mark.django_db(transaction=True)
def test_a_refused_report_is_told_in_the_servers_words(
    live_server: Any, capsys: Any, folder: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CHANCERY_KEY", "chy_wrong_key")
    assert command.main(["scan", str(folder), "--post", live_server.url]) == command.NOT_POSTED
    assert "not known, expired or revoked" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_build_fails_until_every_agent_is_decided(
    live_server: Any, key: str, folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("CHANCERY_KEY", key)
    arguments = ["scan", str(folder), "--post", live_server.url, "--fail-on-unregistered", "--source", "repo"]
    assert command.main(arguments) == command.UNREGISTERED
    assert "Not on record: Desk (app/desk.py:2)" in capsys.readouterr().err
    curator = factories.make_person(Role.CURATOR)
    adopt_candidate(Candidate.objects.get(name="Desk"), actor=curator)
    ignore_candidate(Candidate.objects.get(name="Coding agents in repo"), actor=curator, reason="Known")
    assert command.main(arguments) == command.DONE
    assert "1 on record, 0 waiting for a curator, 1 ignored" in capsys.readouterr().err
