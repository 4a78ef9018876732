"""The story of one agent, told through REST: noticed, adopted, certified, released, stopped.

Each step asks Chancery how things stand before it acts, so the story can be left and taken up again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from demo.cast import CAST, PROTAGONIST, Role
from demo.outcomes import AT_ONCE, WEEKS, past_runs, released_on

Say = Callable[[str], None]
FRAMEWORK = "eu-ai-act"
PATIENCE_S = 60
RISK_FIELDS = ("data_sensitivity", "decision_authority", "blast_radius", "regulatory_exposure")


class Refused(Exception):
    """Chancery said no; the message is its own words."""


@dataclass(frozen=True)
class Desk:
    """Somebody at work: REST with their key."""

    http: httpx.Client

    @classmethod
    def of(cls, url: str, key: str) -> Desk:
        return cls(
            httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=15)
        )

    def get(self, path: str, **query: Any) -> Any:
        return self._answer(self.http.get(path, params=query))

    def post(self, path: str, body: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        return self._answer(self.http.post(path, json=body))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._answer(self.http.put(path, json=dict(body)))

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.status_code >= 400:
            raise Refused(response.json().get("detail", response.text))
        return response.json()


@dataclass(frozen=True)
class Desks:
    """The people of the story, and the case system that knows what runs came to."""

    curator: Desk
    compliance: Desk
    operator: Desk
    cases: Desk


class Story:
    """Takes the demo's agents through their lives, as far as each goes."""

    def __init__(self, desks: Desks, say: Say) -> None:
        self.desks, self.say = desks, say
        self._people: dict[str, str] = {}
        self._teams: dict[str, str] = {}
        self._remembered: set[str] = set()

    def find(self, role: Role, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The record of an agent, waiting for it to be noticed."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if (agent := self.seen(role)) is not None:
                return self._agent(agent["id"])
            time.sleep(0.5)
        raise Refused(f"{role.name} did not appear within {patience_s:.0f} s; is the pipeline running?")

    def seen(self, role: Role) -> dict[str, Any] | None:
        """The agent as the list shows it, or None while nobody has noticed it."""
        found: list[dict[str, Any]] = self.desks.curator.get("/agents", q=role.name)["results"]
        return found[0] if found else None

    def adopt(self, role: Role) -> dict[str, Any]:
        agent = self.find(role)
        if agent["state"] != "discovered" or role.risk is None:
            return agent
        self.say(f"{agent['ref']} {role.name} was noticed by what it sent: nobody answers for it yet.")
        body = {
            "owner": self._person(role.owner),
            "deputy": self._person(role.deputy),
            "team": self._team(role.team),
            "purpose": role.purpose,
        } | dict(zip(RISK_FIELDS, role.risk, strict=True))
        agent = self.desks.curator.post(f"/agents/{agent['id']}/adopt", body)
        self.say(f"The curator adopted it: {role.owner} owns it. {agent['risk']['sentence']}")
        return agent

    def limit(self, role: Role) -> None:
        """Allow the agent its own tools and no other."""
        agent = self.find(role)
        try:
            self.desks.operator.get(f"/agents/{agent['id']}/tool-policy")
        except Refused:
            tools = [tool.name for tool in role.tools]
            reason = "Least privilege: the tools its work needs."
            self.desks.operator.put(
                f"/agents/{agent['id']}/tool-policy", {"allowed_tools": tools, "reason": reason}
            )
            self.say(f"The operator allowed {role.name} {len(tools)} tools; any other call is a violation.")

    def release(self, role: Role) -> None:
        """To production; where a certification is missing, that is refused first, then given."""
        agent = self.find(role)
        if agent["state"] in ("production", "suspended", "quarantined", "retired", "discovered"):
            return
        try:
            self._move(agent, "release")
        except Refused as refusal:
            self.say(f"Refused, as it should be. {refusal}")
            self._certify(agent, role)
            self._move(agent, "release")
        self.say(f"{role.name} is in production.")

    def remember(self, role: Role) -> None:
        """What the case system knows of the weeks before: each run's end, and the version that was released meanwhile."""
        agent = self.find(role)
        path = f"/agents/{agent['id']}/versions"
        if role.work is None or role.name in self._remembered:
            return
        known = {one["model"] for one in self.desks.curator.get(path)["results"]}
        for model, label, day in (one for one in released_on(role) if one[0] not in known):
            body = {"model": model, "label": label, "since": day.isoformat()}
            self.desks.curator.post(path, body)
        runs = past_runs(role, agent["id"])
        for first in range(0, len(runs), AT_ONCE):
            self.desks.cases.post("/outcomes", runs[first : first + AT_ONCE])
        self._remembered.add(role.name)  # sent again they would change nothing
        self.say(
            f"The case system told what {len(runs)} runs of {role.name} came to in the {WEEKS} weeks before."
        )

    def is_stopped(self, role: Role) -> bool:
        return bool(self.find(role)["breaker"]["state"] == "tripped")

    def ask(self, role: Role, tool: str) -> dict[str, Any]:
        """May it call this tool?"""
        agent = self.find(role)
        answer: dict[str, Any] = self.desks.operator.post("/decisions", {"agent": agent["id"], "tool": tool})
        return answer

    def _certify(self, agent: dict[str, Any], role: Role) -> None:
        framework = self.desks.compliance.get(f"/frameworks/{FRAMEWORK}")
        controls = {control["code"]: {"result": "pass"} for control in framework["controls"]}
        given = self.desks.compliance.post(
            f"/agents/{agent['id']}/certifications",
            {
                "framework": FRAMEWORK,
                "evidence": f"Supervised trial of {role.name}: 40 conversations read, stop tested, logs complete.",
                "controls": controls,
            },
        )
        self.say(f"Compliance certified it against {framework['name']} until {given['expires_at'][:10]}.")

    def _move(self, agent: dict[str, Any], move: str) -> None:
        self.desks.curator.post(f"/agents/{agent['id']}/transitions", {"move": move})

    def _agent(self, agent_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.desks.curator.get(f"/agents/{agent_id}")
        return found

    def _person(self, name: str) -> str:
        if not self._people:
            self._people = {one["name"]: one["id"] for one in self.desks.curator.get("/people")["results"]}
        return self._people[name]

    def _team(self, name: str) -> str:
        if not self._teams:
            self._teams = {one["name"]: one["id"] for one in self.desks.curator.get("/teams")["results"]}
        return self._teams[name]


def prologue(story: Story) -> None:
    """Everything up to production, for every agent somebody answers for."""
    for role in CAST:
        if role.risk is None:
            continue
        story.adopt(role)
        story.remember(role)
        story.limit(role)
        story.release(role)
    story.say(f"{PROTAGONIST.name} will now do what it may not.")
