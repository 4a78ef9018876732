"""Keeping what search reads true to the record: words at once, vectors by the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.contrib.postgres.search import SearchVector
from django.db import connection, transaction
from django.db.models import Func, IntegerField, Q, Value
from django.utils import timezone
from pgvector import HalfVector, SparseVector

from apps.agents.models import (
    LETTER_BUCKETS,
    Agent,
    AgentVector,
    ObservedTool,
    SearchDocument,
    SearchState,
)
from apps.agents.text import clauses, letters_of, name_letters, readable
from apps.kit.embeddings import Vector

Embed = Callable[[Sequence[str]], list[Vector]]
TOOLS_TOLD = 12
BATCH = 64
COUNT_WORDS = """
INSERT INTO agents_searchterm (kind, term, agents)
SELECT 'word', word, ndoc FROM ts_stat('SELECT words FROM agents_searchdocument')
UNION ALL SELECT 'letters', word, ndoc FROM ts_stat('SELECT name_letters FROM agents_searchdocument')
"""


@dataclass(frozen=True)
class Told:
    """What is told of an agent: its name in words, its purpose, the tools it was seen to call."""

    name: str
    purpose: str
    tools: tuple[str, ...]

    @property
    def meaning(self) -> str:
        """The text of the purpose vector; for an agent nobody described, its tools speak."""
        return self.purpose or self._tools or self.name

    @property
    def clauses(self) -> list[str]:
        return [*clauses(self.purpose), *([self._tools] if self._tools and self.purpose else [])]

    @property
    def whole(self) -> str:
        return ". ".join(part for part in (self.name, self.purpose.rstrip("."), self._tools) if part)

    @property
    def digest(self) -> bytes:
        return sha256(self.whole.encode()).digest()

    @property
    def _tools(self) -> str:
        return f"Uses {', '.join(self.tools)}." if self.tools else ""


def index_words(agents: Iterable[Agent]) -> int:
    """Write the words and letters of agents whose text changed; their vectors are due then.

    Three queries, whatever the number of agents. Returns how many changed.
    """
    told = told_of(list(agents))
    known = dict(
        SearchDocument.objects.filter(pk__in=[agent.pk for agent in told]).values_list("pk", "text_hash")
    )
    changed = {a: t for a, t in told.items() if bytes(known.get(a.pk, b"")) != t.digest}
    if changed:
        SearchDocument.objects.bulk_create(
            [_document(agent, text) for agent, text in changed.items()],
            update_conflicts=True,
            unique_fields=["agent"],
            update_fields=[
                "text_hash",
                "words",
                "word_count",
                "name_letters",
                "letters",
                "embedded_with",
                "updated_at",
            ],
        )
    return len(changed)


def told_of(agents: Sequence[Agent]) -> dict[Agent, Told]:
    """What is told of each; one query for the tools of all."""
    tools: dict[object, list[str]] = {}
    rows = ObservedTool.objects.filter(agent__in=agents).order_by("agent", "-calls", "tool_name")
    for agent_id, name in rows.values_list("agent_id", "tool_name"):
        tools.setdefault(agent_id, []).append(readable(name))
    return {
        agent: Told(readable(agent.name), agent.purpose.strip(), tuple(tools.get(agent.pk, [])[:TOOLS_TOLD]))
        for agent in agents
    }


def refresh_vectors(embed: Embed, model: str, limit: int = BATCH) -> int:
    """Embed what changed, the longest waiting first; returns how many agents. Runs in the worker.

    When `model` differs from the one that answers, every agent is embedded with it beside the old vectors;
    only when none is missing does it take over and the old ones go.
    """
    state = _state()
    due = _due(model, limit)
    told = told_of([document.agent for document in due])
    _write_vectors(told, embed, model)
    for document in due:
        # A text that changed while the model worked stays due: only the text embedded here is ticked off.
        SearchDocument.objects.filter(pk=document.pk, text_hash=document.text_hash).update(
            embedded_with=model
        )
    if state.model != model:
        _take_over(state, model, missing=len(due) == limit or bool(_due(model, 1)))
    return len(due)


def index_missing(limit: int = 5000) -> int:
    """Index agents that have no words yet, such as those written in bulk."""
    return index_words(Agent.objects.filter(document=None).order_by("pk")[:limit])


@transaction.atomic
def count_terms() -> int:
    """Count anew how many agents hold each word; returns the number of agents counted."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM agents_searchterm")
        cursor.execute(COUNT_WORDS)
        cursor.execute("SELECT count(*), coalesce(avg(word_count), 0) FROM agents_searchdocument")
        documents, mean = cursor.fetchone()
    SearchState.objects.update_or_create(
        pk=1, defaults={"documents": documents, "mean_words": mean, "counted_at": timezone.now()}
    )
    return int(documents)


def _document(agent: Agent, told: Told) -> SearchDocument:
    words = SearchVector(Value(told.name), weight="A", config="english") + SearchVector(
        Value(told.whole.removeprefix(told.name)), config="english"
    )
    return SearchDocument(
        agent=agent,
        text_hash=told.digest,
        words=words,
        word_count=Func(words, function="length", output_field=IntegerField()),
        name_letters=SearchVector(Value(" ".join(name_letters(told.name))), config="simple"),
        letters=SparseVector(letters_of(told.whole, LETTER_BUCKETS), LETTER_BUCKETS),
        embedded_with="",
        updated_at=timezone.now(),
    )


def _due(model: str, limit: int) -> list[SearchDocument]:
    waiting = SearchDocument.objects.filter(~Q(embedded_with=model)).select_related("agent")
    return list(waiting.order_by("updated_at")[:limit])


def _write_vectors(told: dict[Agent, Told], embed: Embed, model: str) -> None:
    parts = [
        (agent, part, ordinal, text)
        for agent, one in told.items()
        for part, ordinal, text in [
            (AgentVector.Part.NAME, 0, one.name),
            (AgentVector.Part.PURPOSE, 0, one.meaning),
            *((AgentVector.Part.CLAUSE, number, clause) for number, clause in enumerate(one.clauses)),
        ]
    ]
    vectors = embed([text for _, _, _, text in parts]) if parts else []
    rows = [
        AgentVector(
            agent=agent, model=model, part=part, ordinal=ordinal, text=text, vector=HalfVector(vector)
        )
        for (agent, part, ordinal, text), vector in zip(parts, vectors, strict=True)
    ]
    with transaction.atomic():
        AgentVector.objects.filter(agent__in=list(told), model=model).delete()
        AgentVector.objects.bulk_create(rows, ignore_conflicts=True)


def _state() -> SearchState:
    state, _ = SearchState.objects.get_or_create(pk=1)
    return state


def _take_over(state: SearchState, model: str, *, missing: bool) -> None:
    if missing:
        SearchState.objects.filter(pk=1).exclude(next_model=model).update(next_model=model)
        return
    old = state.model
    SearchState.objects.filter(pk=1).update(model=model, next_model="")
    if old:
        AgentVector.objects.filter(model=old).delete()


def progress() -> tuple[str, int, int] | None:
    """(the model being brought in, agents done, agents in all) while vectors are being made; None when all are."""
    state = _state()
    model = state.next_model or state.model
    if not model:
        return None
    done = SearchDocument.objects.filter(embedded_with=model).count()
    total = SearchDocument.objects.count()
    return (model, done, total) if done < total else None
