"""Finding agents by what they do, in plain words: one query in PostgreSQL for pages, REST and agents.

Candidates come from four indexes: vectors of purposes and of clauses (HNSW), rare words (GIN), rare letter
groups of names (GIN, so that a misspelt name is found). Each candidate gets five scores: cosine with purpose,
best clause and name, BM25 over its words, shared letters. Scores of different kinds are made comparable by
standardising each over the candidates, then added with the weights below. Ranks added instead (reciprocal
rank fusion) throw away how far apart two candidates are, and measured worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.text import slugify
from pgvector import HalfVector, SparseVector

from apps.agents.models import LETTER_BUCKETS, Agent, AgentQuerySet, SearchState, agent_id_of
from apps.agents.query_language import Asked, parse
from apps.agents.text import letters_of, name_letters, telling_words
from apps.identity.models import Principal
from apps.kit.embeddings import Vector, embed_through_worker
from apps.kit.errors import InvalidInput, Unavailable

Embed = Callable[[Sequence[str], str], list[Vector]]
LONGEST_QUERY = 400
NEAREST = 150  # rows taken from each vector index
NEAREST_AMONG_SOME = 60
FEW = 4000
EXACT = 10.0  # added for the very name or number: more than any sum of standardised scores
RARE_REACH = 600  # agents that rare words, or rare letters, may bring in altogether
WEIGHTS = {"purpose": 1.2, "clause": 0.4, "name": 0.45, "words": 0.15, "letters": 0.3}

NEAR = """
near_{part} AS MATERIALIZED (
  SELECT agent_id FROM agents_agentvector
  WHERE part = '{part}' AND model = %(model)s {visible}
  ORDER BY (vector <=> %(vector)s::halfvec) {exactly} LIMIT %(nearest)s
),"""
RANKED = """
WITH asked AS (
  SELECT w AS word, lexeme FROM unnest(%(words)s::text[]) AS w, unnest(to_tsvector('english', w))
), term AS MATERIALIZED (
  SELECT a.lexeme, coalesce(t.agents, 1) AS agents,
         ln(1 + (s.documents - coalesce(t.agents, 1) + 0.5) / (coalesce(t.agents, 1) + 0.5)) AS idf, s.mean_words
  FROM (SELECT DISTINCT lexeme FROM asked) a
  CROSS JOIN (SELECT greatest(documents, 1) AS documents, greatest(mean_words, 1) AS mean_words
              FROM agents_searchstate WHERE id = 1) s
  LEFT JOIN agents_searchterm t ON t.kind = 'word' AND t.term = a.lexeme
), rare_words AS (
  SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS query
  FROM (SELECT lexeme, sum(agents) OVER (ORDER BY agents, lexeme) AS reach FROM term) r WHERE reach <= %(reach)s
), rare_letters AS (
  SELECT string_agg(quote_literal(term), ' | ')::tsquery AS query
  FROM (SELECT term, sum(agents) OVER (ORDER BY agents, term) AS reach FROM agents_searchterm
        WHERE kind = 'letters' AND term = ANY(%(name_letters)s)) r WHERE reach <= %(reach)s
), {near}
worded AS MATERIALIZED (
  SELECT agent_id FROM agents_searchdocument WHERE words @@ (SELECT query FROM rare_words) {visible}
), spelt AS MATERIALIZED (
  SELECT agent_id FROM agents_searchdocument WHERE name_letters @@ (SELECT query FROM rare_letters) {visible}
  ORDER BY letters <#> %(letters)s::sparsevec LIMIT %(nearest)s
), exact AS MATERIALIZED (
  SELECT id AS agent_id FROM agents_agent WHERE (slug = %(slug)s OR number = %(number)s) {visible_itself}
), candidate AS MATERIALIZED (
  SELECT agent_id FROM exact UNION {near_rows} SELECT agent_id FROM worded UNION SELECT agent_id FROM spelt
), scored AS MATERIALIZED (
  SELECT c.agent_id, {vector_scores}
    -(d.letters <#> %(letters)s::sparsevec) AS letters,
    (SELECT coalesce(sum(t.idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * d.word_count / t.mean_words))), 0)
     FROM unnest(d.words) AS w (lexeme, positions, weights)
     JOIN term t ON t.lexeme = w.lexeme
     CROSS JOIN LATERAL (SELECT coalesce(array_length(w.positions, 1), 1)::float AS tf) f) AS words
  FROM candidate c JOIN agents_searchdocument d USING (agent_id){vector_join}
), summed AS (
  SELECT agent_id, {similarity} AS similarity,
    {total} + CASE WHEN agent_id IN (SELECT agent_id FROM exact) THEN %(exact)s ELSE 0 END AS score FROM scored
), best AS (
  SELECT * FROM summed ORDER BY score DESC, agent_id LIMIT %(limit)s
)
SELECT b.agent_id, b.score, b.similarity,
  (SELECT coalesce(array_agg(DISTINCT a.word), '{{}}') FROM asked a
   JOIN agents_searchdocument d ON d.agent_id = b.agent_id AND d.words @@ quote_literal(a.lexeme)::tsquery) AS matched,
  {sentence} AS sentence
FROM best b ORDER BY b.score DESC, b.agent_id
"""
VECTOR_SCORES = "near.purpose, near.clause, near.name,"
VECTOR_JOIN = """
  LEFT JOIN LATERAL (
    SELECT max(fit) FILTER (WHERE part = 'purpose') AS purpose, max(fit) FILTER (WHERE part = 'clause') AS clause,
           max(fit) FILTER (WHERE part = 'name') AS name
    FROM (SELECT part, 1 - (vector <=> %(vector)s::halfvec) AS fit FROM agents_agentvector v
          WHERE v.agent_id = c.agent_id AND v.model = %(model)s) f) near ON true"""
SENTENCE = """(SELECT v.text FROM agents_agentvector v
   WHERE v.agent_id = b.agent_id AND v.model = %(model)s AND v.part IN ('clause', 'purpose')
   ORDER BY v.vector <=> %(vector)s::halfvec LIMIT 1)"""


@dataclass(frozen=True)
class Hit:
    """One agent that fits. `score` orders hits of one query only; `similarity` is the cosine with its
    purpose (None by words alone); `matched` the words of the query it holds, `sentence` what fits best.
    """

    agent: Agent
    score: float
    similarity: float | None
    matched: list[str]
    sentence: str


@dataclass(frozen=True)
class Narrowing:
    """Which agents a search is among: SQL that gives their ids, with its parameters.

    Of a few, every vector is compared (`+ 0` keeps the index out): exact, and faster than reading the index
    on and on for rows that pass.
    """

    subquery: str
    parameters: dict[str, Any]
    is_everything: bool = False
    is_few: bool = False


@dataclass(frozen=True)
class Found:
    """Hits, best first. `by` is 'meaning', 'words' when no vector could be had, or 'filters' when the query
    held nothing else."""

    hits: list[Hit]
    by: str
    asked: Asked


def search_agents(
    query: str,
    *,
    actor: Principal,
    limit: int = 20,
    embed: Embed = embed_through_worker,
    among: AgentQuerySet | None = None,
) -> Found:
    """Agents visible to `actor` that fit `query`, of those in `among` where it is given. Five queries."""
    query = query.strip()
    if not 0 < len(query) <= LONGEST_QUERY or "\0" in query:
        raise InvalidInput("Nothing was searched.", fields={"q": f"Enter 1 to {LONGEST_QUERY} characters"})
    asked = parse(query, actor=actor)
    visible = (Agent.objects.visible_to(actor) if among is None else among).on_record()
    if asked.filters:
        visible = visible.filter(asked.condition)
    if not asked.words:
        plain = visible.select_related("owner", "deputy", "team").order_by("-tier", "name", "pk")[:limit]
        return Found([Hit(agent, 0.0, None, [], "") for agent in plain], "filters", asked)
    vector, model = _vector_of(asked.words, embed)
    rows = _ranked(asked.words, visible, limit, vector, model)
    return Found(_hits(rows), "meaning" if vector else "words", asked)


def agents_like(agent: Agent, *, actor: Principal, limit: int = 5) -> list[Hit]:
    """Agents whose purpose is nearest to this one's: likely duplicates first. Empty before it is embedded."""
    model = _model_in_use()
    own = agent.vectors.filter(part="purpose", model=model).first()
    if own is None:
        return []
    visible = Agent.objects.visible_to(actor).on_record().exclude(pk=agent.pk)
    rows = _ranked(own.text[:LONGEST_QUERY], visible, limit, _numbers(own.vector), model)
    return _hits(rows)


def _numbers(vector: Any) -> Vector:
    """A stored vector as numbers: a list, or pgvector's own type, by how the connection reads it."""
    return vector if isinstance(vector, list) else list(vector.to_list())


def _vector_of(words: str, embed: Embed) -> tuple[Vector | None, str]:
    model = _model_in_use()
    if not model:
        return None, ""
    try:
        return embed([words], model)[0], model
    except Unavailable:
        return None, ""


def _model_in_use() -> str:
    return SearchState.objects.filter(pk=1).values_list("model", flat=True).first() or ""


def _ranked(
    words: str, visible: QuerySet[Agent], limit: int, vector: Vector | None, model: str
) -> list[tuple[Any, ...]]:
    seen = _narrowing(visible)
    parameters = seen.parameters | {
        "words": telling_words(words) or [words],
        "letters": SparseVector(letters_of(words, LETTER_BUCKETS), LETTER_BUCKETS).to_text(),
        "name_letters": name_letters(words),
        "vector": HalfVector(vector).to_text() if vector else None,
        "model": model,
        "slug": slugify(words),
        "number": agent_id_of(words),
        "exact": EXACT,
        "nearest": NEAREST if seen.is_everything or seen.is_few else NEAREST_AMONG_SOME,
        "reach": RARE_REACH,
        "limit": limit,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Filtered rows do not count towards the nearest: the index is read on until enough are found.
        cursor.execute("SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 100")
        cursor.execute(_statement(seen, by_meaning=vector is not None), parameters)
        return cursor.fetchall()


def _narrowing(visible: QuerySet[Agent]) -> Narrowing:
    """How the set is told to the query: not at all, as a list of ids, or as a subquery."""
    if str(visible.order_by().query.where) == str(Agent.objects.on_record().query.where):
        return Narrowing(
            "SELECT id FROM agents_agent WHERE merged_into_id IS NULL AND withdrawn_at IS NULL",
            {},
            is_everything=True,
        )
    ids = list(visible.order_by().values_list("pk", flat=True)[: FEW + 1])
    if len(ids) <= FEW:
        return Narrowing("SELECT unnest(%(visible)s::uuid[])", {"visible": ids}, is_few=True)
    subquery, values = visible.order_by().values("pk").query.sql_with_params()
    names = {f"visible_{number}": value for number, value in enumerate(values)}
    named = subquery.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
    return Narrowing(named, names)


def _statement(seen: Narrowing, *, by_meaning: bool) -> str:
    narrowed = f"AND agent_id IN ({seen.subquery})"
    kinds = list(WEIGHTS) if by_meaning else ["words", "letters"]
    total = " + ".join(
        f"{WEIGHTS[kind]} * coalesce(({kind} - avg({kind}) OVER ()) / nullif(stddev_pop({kind}) OVER (), 0), 0)"
        for kind in kinds
    )
    near = "".join(
        NEAR.format(part=part, visible=narrowed, exactly="+ 0" if seen.is_few else "")
        for part in ("purpose", "clause")
    )
    return RANKED.format(
        near=near if by_meaning else "",
        near_rows="SELECT agent_id FROM near_purpose UNION SELECT agent_id FROM near_clause UNION"
        if by_meaning
        else "",
        visible=narrowed,
        visible_itself=f"AND id IN ({seen.subquery})",
        vector_scores=VECTOR_SCORES if by_meaning else "",
        vector_join=VECTOR_JOIN if by_meaning else "",
        similarity="purpose" if by_meaning else "NULL::float",
        total=total,
        sentence=SENTENCE if by_meaning else "NULL::text",
    )


def _hits(rows: list[tuple[Any, ...]]) -> list[Hit]:
    ids: list[UUID] = [row[0] for row in rows]
    agents = Agent.objects.with_people().in_bulk(ids)
    return [
        Hit(agents[pk], round(score, 4), similarity, matched, sentence or "")
        for pk, score, similarity, matched, sentence in rows
        if pk in agents
    ]
