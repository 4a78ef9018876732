"""Finding agents by what they do, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import Q, QuerySet
from pgvector.django import CosineDistance

from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.embeddings import Vector, embed_through_worker
from apps.kit.errors import InvalidInput, Unavailable

Embed = Callable[[Sequence[str]], list[Vector]]
LONGEST_QUERY = 400
WORDS = SearchVector("name", weight="A") + SearchVector("purpose", weight="B")
WORDS_WEIGHT = 0.15


@dataclass(frozen=True)
class Hit:
    """One agent and how well it fits: 0 to about 1."""

    agent: Agent
    score: float


@dataclass(frozen=True)
class Found:
    """Hits, best first. `by` is 'meaning', or 'words' when no vector could be had and only words were
    compared."""

    hits: list[Hit]
    by: str


def search_agents(
    text: str, *, actor: Principal, limit: int = 20, embed: Embed = embed_through_worker
) -> Found:
    """Agents visible to `actor` that fit `text`. Three queries beside what `embed` does."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST_QUERY:
        raise InvalidInput("Nothing was searched.", fields={"q": f"Enter 1 to {LONGEST_QUERY} characters"})
    visible = Agent.objects.visible_to(actor)
    by_words = _by_words(visible, text, limit * 3)
    try:
        vector = embed([text])[0]
    except Unavailable:
        return Found(_hits(by_words, limit), "words")
    return Found(_hits(_blend(_by_meaning(visible, vector, limit * 3), by_words), limit), "meaning")


def _by_meaning(visible: QuerySet[Agent], vector: Vector, limit: int) -> dict[UUID, float]:
    """Cosine similarity of the nearest agents."""
    near = visible.filter(embedding__isnull=False).annotate(
        distance=CosineDistance("embedding__vector", vector)
    )
    return {
        pk: 1 - distance for pk, distance in near.order_by("distance").values_list("pk", "distance")[:limit]
    }


def _by_words(visible: QuerySet[Agent], text: str, limit: int) -> dict[UUID, float]:
    """Text-search rank of agents that hold any of the words."""
    words = [word for word in text.split() if word.isalnum()] or [text]
    query = SearchQuery(words[0])
    for word in words[1:]:
        query |= SearchQuery(word)
    ranked = visible.annotate(words=WORDS, rank=SearchRank(WORDS, query))
    fitting = ranked.filter(Q(words=query) | Q(name__icontains=text)).order_by("-rank", "name")
    return dict(fitting.values_list("pk", "rank")[:limit])


def _blend(meaning: dict[UUID, float], words: dict[UUID, float]) -> dict[UUID, float]:
    """Meaning decides; words break near ties. An agent without a vector yet still stands by its words."""
    keys = {*meaning, *words}
    return {pk: meaning.get(pk, 0.0) + WORDS_WEIGHT * words.get(pk, 0.0) for pk in keys}


def _hits(scores: dict[UUID, float], limit: int) -> list[Hit]:
    best = sorted(scores, key=lambda pk: -scores[pk])[:limit]
    agents = Agent.objects.with_people().in_bulk(best)
    return [Hit(agents[pk], round(scores[pk], 4)) for pk in best if pk in agents]
