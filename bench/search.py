"""Finding agents in plain words: how well, and how fast with 100,000 of them.

    python bench/search.py            2,000 questions for quality; 100,000 agents, 300 questions for speed
    python bench/search.py --quick    400 questions; 4,000 agents, 100 questions

Quality is measured on open/search_metatool.jsonl.gz: each document becomes an agent (title its name, text its
purpose), each query is asked through `search_agents`, the product's own door, in PostgreSQL. Keys:
`recall_at_1`, `recall_at_5`, `ndcg_at_10`; `p50_ms`, `p95_ms` (one search with its vector at hand, agents
fetched), `team_p95_ms` (somebody who sees one team of forty), `filtered_p95_ms` (narrowed to a quarter by a filter),
`filtered_recall_at_10` (of the true nearest ten of that quarter, found through the index), `embed_p95_ms` (one question to a vector, this process), `agents`.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from math import log2
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.db import connection, transaction
from pgvector import HalfVector

from apps.agents.models import State
from apps.agents.search import search_agents
from apps.agents.services.indexing import count_terms, refresh_vectors
from apps.agents.services.registry import new_agent
from apps.identity.models import Principal, Team
from apps.identity.roles import Role
from apps.kit.embeddings import local_embedder, model_name
from bench import fleet
from bench.rig import arguments, data_folder, percentile, result, say
from tests import factories

FILE = "open/search_metatool.jsonl.gz"


def embed(texts: list[str], model: str) -> list[list[float]]:
    return local_embedder(model).embed(texts)


def quality(path: Path, most: int) -> dict[str, float]:
    """Recall and nDCG over the recorded queries; the agents are removed again."""
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    documents = [row for row in rows if row["type"] == "document"]
    queries = [row for row in rows if row["type"] == "query"][:: max(1, len(rows) // most)][:most]
    with transaction.atomic():
        actor = factories.make_person(Role.ADMINISTRATOR)
        known = {
            row["id"]: new_agent(
                row["title"][:200], team=None, state=State.REGISTERED, purpose=row["text"]
            ).pk
            for row in documents
        }
        while refresh_vectors(local_embedder().embed, model_name()):
            say("embedding")
        count_terms()
        scores = [_score(query, known, actor) for query in _told(queries)]
        transaction.set_rollback(True)
    names = ("recall_at_1", "recall_at_5", "ndcg_at_10")
    return {name: round(sum(s[i] for s in scores) / len(scores), 4) for i, name in enumerate(names)}


def _score(
    query: dict[str, object], known: dict[str, object], actor: Principal
) -> tuple[float, float, float]:
    relevant = {known[pk] for pk in query["relevant"] if pk in known}  # type: ignore[attr-defined]
    found = search_agents(str(query["text"])[:400], actor=actor, limit=10, embed=embed)
    hits = [hit.agent.pk in relevant for hit in found.hits]
    gain = sum(1 / log2(rank + 2) for rank, hit in enumerate(hits) if hit)
    best = sum(1 / log2(rank + 2) for rank in range(min(len(relevant), 10)))
    return sum(hits[:1]) / len(relevant), sum(hits[:5]) / len(relevant), gain / best


def _told(queries: list[dict[str, object]]) -> list[dict[str, object]]:
    say(f"{len(queries):,} questions")
    return queries


def speed(agents: int, questions: int) -> dict[str, float]:
    """Latencies with a large register."""
    sketched = fleet.sketches(agents)
    fleet.load_agents(sketched)
    fleet.load_search(sketched, local_embedder().embed, model_name())
    actor = factories.make_person(Role.ADMINISTRATOR)
    asked = [one.question for one in fleet.sketches(questions, seed=99)]
    vectors, embedding = {}, []
    for question in asked:
        begun = time.perf_counter()
        vectors[question] = embed([question], model_name())[0]
        embedding.append(time.perf_counter() - begun)
    member = factories.make_person(Role.VIEWER, Team.objects.get(name="Team 3"))
    everywhere = _timed(asked, actor, vectors)
    of_team = _timed(asked, member, vectors)
    narrowed = _timed([f"{question} tier:4" for question in asked], actor, vectors)
    return {
        "p50_ms": _ms(everywhere, 0.5),
        "p95_ms": _ms(everywhere, 0.95),
        "team_p95_ms": _ms(of_team, 0.95),
        "filtered_p95_ms": _ms(narrowed, 0.95),
        "filtered_recall_at_10": _filtered_recall(list(vectors.values())[:50]),
        "embed_p95_ms": _ms(embedding, 0.95),
        "agents": agents,
    }


def _timed(asked: list[str], actor: Principal, vectors: dict[str, list[float]]) -> list[float]:
    say(f"asking {len(asked)} questions")
    taken = []
    for question in [*asked[:10], *asked]:
        begun = time.perf_counter()
        found = search_agents(question, actor=actor, limit=20, embed=lambda texts, _: [vectors[texts[0]]])
        taken.append(time.perf_counter() - begun)
        assert found.by == "meaning"
    return taken[10:]


def _filtered_recall(vectors: list[list[float]]) -> float:
    """Of the ten nearest purposes of tier 4, how many the index finds."""
    near = (
        "SELECT id FROM agents_agentvector WHERE part = 'purpose' AND model = %s "
        "AND agent_id IN (SELECT id FROM agents_agent WHERE tier = 4) ORDER BY vector <=> %s::halfvec LIMIT 10"
    )
    shares = []
    for vector in vectors:
        values = [model_name(), HalfVector(vector).to_text()]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute(near, values)
            true = {row[0] for row in cursor.fetchall()}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; "
                "SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 100"
            )
            cursor.execute(near, values)
            shares.append(len(true & {row[0] for row in cursor.fetchall()}) / max(1, len(true)))
    return round(sum(shares) / len(shares), 4)


def _ms(taken: list[float], share: float) -> float:
    return round(percentile(taken, share) * 1000, 1)


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    folder = data_folder()
    if folder is None or not (folder / FILE).exists():
        say(f"no {FILE} in CHANCERY_DATA or beside the project: quality is not measured")
        figures = {}
    else:
        figures = quality(folder / FILE, 400 if given.quick else 2000)
    figures |= speed(4000, 100) if given.quick else speed(100_000, 300)
    result(**figures)
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())
