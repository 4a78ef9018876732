"""A large invented register for the other scripts: agents, what they use, what depends on what.

Rows are written by the tables' owner in bulk; names and purposes are put together from words of office work,
so that words are as common and as rare as in a real register. Not a benchmark by itself: import it after Django is set up.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from psycopg import Connection

from apps.agents.models import Agent
from apps.agents.services.indexing import count_terms, index_missing
from apps.kit.ids import new_id
from bench.rig import say

DOES = (
    "answers", "reconciles", "drafts", "approves", "screens", "routes", "translates", "summarises", "forecasts", "files",
    "escalates", "refunds", "schedules", "audits", "classifies", "monitors", "negotiates", "prices", "renews", "onboards",
)  # fmt: skip
WHAT = (
    "invoices", "customer questions", "loan applications", "payroll changes", "supplier contracts", "chargebacks",
    "support tickets", "travel claims", "insurance claims", "marketing copy", "job applications", "sensor alarms",
    "clinical notes", "tax returns", "stock levels", "shipping labels", "fraud alerts", "password resets", "purchase orders",
    "meeting minutes", "lease agreements", "credit limits", "trading positions", "product returns", "warranty cases",
    "sanction hits", "delivery routes", "energy bills", "database queries", "code reviews",
)  # fmt: skip
WHERE = (
    "retail bank", "Nordic region", "call centre", "treasury desk", "field service", "hospital ward", "legal department",
    "online shop", "warehouse", "human resources", "claims office", "public sector", "data centre", "head office",
    "private clients", "small businesses", "mortgage team", "card operations", "procurement", "compliance office",
)  # fmt: skip
HOW = (
    "checking each against policy", "asking a person above a limit", "writing the result to the ledger",
    "sending a message to the owner", "using the internal knowledge base", "comparing with last month",
    "within two minutes", "in four languages", "overnight", "with a note of the reason",
)  # fmt: skip
AGENTS = """
INSERT INTO identity_principal (id, kind, name, is_active, created_at, team_id)
SELECT id, 'agent', name, true, now(), team_id FROM bench_agent;
INSERT INTO agents_agent (id, principal_id, version, name, slug, purpose, team_id, owner_id, framework, repository, business_service,
  environment, endpoints, languages, users_served, countries, sub_processors, oversight_level, ai_act_class, tags, custom,
  data_sensitivity, decision_authority, blast_radius, regulatory_exposure, tier, state, breaker_state, breaker_reason,
  certified_until, first_seen, last_seen, created_at, updated_at)
SELECT id, id, 1, name, name, purpose, team_id, owner_id, 'langgraph', '', service, 'production', '{}', '{}', '', '{}', '{}',
  'notified', '', tags, '{}', tier, tier, tier, tier, tier, state, 'armed', '', certified_until, now() - interval '90 days',
  now() - random() * interval '30 days', now() - random() * interval '400 days', now() FROM bench_agent;
"""


@dataclass(frozen=True)
class Sketch:
    """One invented agent: its parts of speech, from which name, purpose and vectors are made."""

    does: str
    what: str
    where: str
    how: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.does}-{self.what}-{self.where}-{self.number}".replace(" ", "-").lower()

    @property
    def purpose(self) -> str:
        return f"{self.does.capitalize()} {self.what} for the {self.where}, {self.how}."

    @property
    def question(self) -> str:
        return f"which agent {self.does} {self.what} in the {self.where}?"


def sketches(size: int, seed: int = 7) -> list[Sketch]:
    chance = random.Random(seed)
    return [
        Sketch(chance.choice(DOES), chance.choice(WHAT), chance.choice(WHERE), chance.choice(HOW), number)
        for number in range(size)
    ]


def owner() -> Connection[tuple[object, ...]]:
    """A connection as the tables' owner, for bulk loads and index builds."""
    connection = psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True)
    connection.execute("SET maintenance_work_mem = '512MB'; SET max_parallel_maintenance_workers = 2")
    return connection


def load_agents(sketched: Sequence[Sketch], teams: int = 40) -> None:
    """Write the agents with their principals, teams and owners. About 15 s for 100,000."""
    chance = random.Random(11)
    say(f"writing {len(sketched):,} agents")
    with owner() as connection:
        team_ids = [new_id() for _ in range(teams)]
        people = [new_id() for _ in range(teams * 3)]
        _copy(
            connection,
            "identity_team (id, name, created_at)",
            ((pk, f"Team {n}", "now") for n, pk in enumerate(team_ids)),
        )
        _copy(
            connection,
            "identity_principal (id, kind, name, is_active, created_at)",
            ((pk, "human", f"Person {n}", True, "now") for n, pk in enumerate(people)),
        )
        connection.execute(
            """CREATE TEMP TABLE bench_agent (id uuid, name text, purpose text, team_id uuid, owner_id uuid, tier int,
               state text, certified_until timestamptz, service text, tags text[])"""
        )
        states = ["production"] * 6 + ["registered", "staging", "discovered", "suspended"]
        _copy(
            connection,
            "bench_agent",
            (
                (
                    new_id(), one.name, one.purpose, team_ids[one.number % teams], people[one.number % len(people)],
                    chance.randint(1, 4), chance.choice(states), chance.choice([None, "2027-06-01", "2026-12-10"]),
                    one.where, [one.what.split()[-1], one.does],
                )
                for one in sketched
            ),
        )  # fmt: skip
        connection.execute(AGENTS)
        connection.execute("DROP TABLE bench_agent")
        connection.execute("VACUUM ANALYZE agents_agent")  # as autovacuum does


def load_search(
    sketched: Sequence[Sketch], embed: Callable[[Sequence[str]], list[list[float]]], model: str
) -> None:
    """Words, letters and vectors. Vectors are sums of the embedded parts with noise: shaped like real ones."""
    done = 0
    while changed := index_missing(5000):
        done += changed
        say(f"words of {done:,} agents")
    parts = _embedded_parts(embed)
    noise = np.random.default_rng(3)
    ids = dict(Agent.objects.values_list("name", "pk").iterator())
    with owner() as connection:
        connection.execute("DROP INDEX vector_of_purpose; DROP INDEX vector_of_clause")
        say("vectors")
        _copy(
            connection,
            "agents_agentvector (agent_id, model, part, ordinal, text, vector)",
            (row for one in sketched for row in _vectors(ids[one.name], one, parts, noise, model)),
        )
        for part in ("purpose", "clause"):
            say(f"building the index of {part} vectors")
            connection.execute(
                f"CREATE INDEX vector_of_{part} ON agents_agentvector USING hnsw (vector halfvec_cosine_ops) WHERE part = '{part}'"
            )
        connection.execute("UPDATE agents_searchdocument SET embedded_with = %s", [model])
        connection.execute(
            "INSERT INTO agents_searchstate (id, model, next_model, documents, mean_words) VALUES (1, %s, '', 0, 0) "
            "ON CONFLICT (id) DO UPDATE SET model = EXCLUDED.model",
            [model],
        )
        connection.execute("VACUUM ANALYZE agents_agentvector")
        connection.execute("VACUUM ANALYZE agents_searchdocument")
    count_terms()


def _embedded_parts(embed: Callable[[Sequence[str]], list[list[float]]]) -> dict[str, np.ndarray]:
    words = [*DOES, *WHAT, *WHERE, *HOW]
    return {word: np.array(vector) for word, vector in zip(words, embed(words), strict=True)}


def _vectors(
    agent_id: object, one: Sketch, parts: dict[str, np.ndarray], noise: np.random.Generator, model: str
) -> Iterator[tuple[object, ...]]:
    first = parts[one.does] + 2 * parts[one.what] + parts[one.where]
    second = parts[one.how]
    for part, ordinal, text, vector in (
        ("name", 0, one.name, first),
        ("purpose", 0, one.purpose, first + 0.5 * second),
        ("clause", 0, one.purpose.partition(",")[0], first),
        ("clause", 1, one.how, second),
    ):
        moved = vector / np.linalg.norm(vector) + noise.normal(0, 0.02, vector.shape)
        unit = moved / np.linalg.norm(moved)
        yield agent_id, model, part, ordinal, text, "[" + ",".join(f"{x:.4f}" for x in unit) + "]"


def _copy(
    connection: Connection[tuple[object, ...]], target: str, rows: Iterator[tuple[object, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def load_edges(edges: int, seed: int = 5) -> None:
    """Tools, models, systems and `edges` dependencies of the agents there are: few things most need, many that few do."""
    chance = random.Random(seed)
    agents = list(Agent.objects.values_list("pk", flat=True))
    say(f"writing {edges:,} edges")
    tools, systems = [new_id() for _ in range(max(50, len(agents) // 20))], [new_id() for _ in range(200)]
    with owner() as connection:
        _copy(
            connection,
            "agents_tool (id, version, description, created_at, updated_at, name, server, kind, side_effect, data_classes, schema_hash)",
            (
                (pk, 1, "", "now", "now", f"tool-{n}", f"server-{n % 50}", "mcp", "", "{internal}", "")
                for n, pk in enumerate(tools)
            ),
        )
        _copy(
            connection,
            "agents_system (id, version, description, created_at, updated_at, name, kind, url, region, criticality)",
            (
                (pk, 1, "", "now", "now", f"system-{n}", "application", "", "", 1 + n % 4)
                for n, pk in enumerate(systems)
            ),
        )
        connection.execute(
            "CREATE TEMP TABLE bench_edge (sk text, s uuid, tk text, t uuid, relation text, origin text)"
        )
        rows = [("tool", tool, "system", chance.choice(systems), "calls", "declared") for tool in tools]
        heavy = [int(len(tools) * chance.random() ** 3) for _ in range(edges)]
        for number in range(edges - len(rows)):
            agent = agents[number % len(agents)]
            if chance.random() < 0.15:
                other = agents[chance.randrange(len(agents))]
                rows.append(("agent", agent, "agent", other, "delegates_to", "declared"))
            else:
                rows.append(("agent", agent, "tool", tools[heavy[number]], "calls", "observed"))
        _copy(connection, "bench_edge", iter(rows))
        connection.execute(
            """INSERT INTO agents_dependency
                 (source_kind, source_id, target_kind, target_id, relation, origin, calls, first_seen, last_seen)
               SELECT sk, s, tk, t, relation, origin, 1, now() - interval '60 days', now() - random() * interval '60 days'
               FROM bench_edge WHERE s <> t ON CONFLICT DO NOTHING"""
        )
        connection.execute("DROP TABLE bench_edge")
        connection.execute("VACUUM ANALYZE agents_dependency")
