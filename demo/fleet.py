"""Run the demo's agents and their story until told to stop.

    python -m demo.fleet --url http://localhost:8000 --keys .chancery/demo.json

Every agent emits real OTLP through the OpenTelemetry SDK. One of them is taken from its first call to
production, misbehaves, and is stopped by its breaker; it then asks before each call and is denied, until
an administrator resets it. Each step of the story is one line on standard output.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import threading
from pathlib import Path

import httpx

from demo.cast import CAST, PROTAGONIST, Role, Tool
from demo.story import Desk, Desks, Refused, Story, prologue
from demo.telemetry import choose, converse, tracer_for

WARM_UP_S = 6.0
STRAY_EVERY_S = 1.5
RETRY_S = 5.0


class Fleet:
    """Threads of agents at work, all ending at `stopping`."""

    def __init__(self, url: str, ingest_key: str) -> None:
        self.url, self.ingest_key = url, ingest_key
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, story: Story) -> None:
        for role in CAST:
            gate = story if role is PROTAGONIST else None
            self._spawn(self._work, role, gate)
        self._spawn(tell, story, self)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=5)

    def misbehave(self, story: Story) -> None:
        """The protagonist calls what it may not, until its breaker stops it."""
        tracer, provider = tracer_for(PROTAGONIST, self.url, self.ingest_key)
        stray = [Tool(name) for name in PROTAGONIST.stray]
        while not self.stopping.wait(STRAY_EVERY_S) and not story.is_stopped(PROTAGONIST):
            converse(tracer, PROTAGONIST, stray)
        provider.shutdown()

    def _work(self, role: Role, gate: Story | None) -> None:
        """One agent's days. The gated one asks before it acts once it has been stopped."""
        tracer, provider = tracer_for(role, self.url, self.ingest_key)
        while not self.stopping.wait(random.expovariate(1 / role.every_s)):
            tools = choose(role)
            if gate is None or _permitted(gate, role, tools[0]):
                converse(tracer, role, tools)
        provider.shutdown()

    def _spawn(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()


def tell(story: Story, fleet: Fleet) -> None:
    """The story, taken up where it stands; a refusal of the server is said and tried again."""
    fleet.stopping.wait(WARM_UP_S)
    while not fleet.stopping.is_set():
        try:
            if not story.is_stopped(PROTAGONIST):
                prologue(story)
                fleet.misbehave(story)
            if fleet.stopping.is_set():
                return
            answer = story.ask(PROTAGONIST, PROTAGONIST.tools[0].name)
            story.say(
                f"{PROTAGONIST.name} is stopped. Asked whether it may go on, Chancery says: {answer['reason']}"
            )
            story.say(
                "Only an administrator can reset it, with a reason. Every governed act so far stands in the ledger."
            )
            return
        except (Refused, httpx.HTTPError) as error:
            story.say(f"Waiting: {error}")
            fleet.stopping.wait(RETRY_S)


def _permitted(gate: Story, role: Role, tool: Tool) -> bool:
    """Ask once the breaker has tripped; before that nobody asks, as in most companies today."""
    try:
        known = gate.seen(role)
        stopped = known is not None and known["breaker"]["state"] == "tripped"
        return not stopped or bool(gate.ask(role, tool.name)["outcome"] == "allow")
    except (Refused, httpx.HTTPError):
        return False  # a tier 3 agent that cannot ask does not act


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://localhost:8000", help="where Chancery runs")
    parser.add_argument("--keys", type=Path, required=True, help="the file `manage.py load_demo` wrote")
    given = parser.parse_args()
    keys = json.loads(given.keys.read_text())
    people = {name: Desk.of(given.url, keys[name]) for name in ("curator", "compliance", "operator")}
    desks = Desks(**people, cases=Desk.of(given.url, keys["ingest"]))
    fleet = Fleet(given.url, keys["ingest"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fleet.stopping.set())
    fleet.start(Story(desks, lambda line: print(line, flush=True)))
    fleet.stopping.wait()
    fleet.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
