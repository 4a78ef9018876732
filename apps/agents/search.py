"""Finding agents by what they do, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import Q, QuerySet
from pgvector.django import CosineDistance

from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.embeddings import embed_through_worker
from apps.kit.errors import InvalidInput, Unavailable

LONGEST_QUERY = 400
WORDS = SearchVector("name", weight="A") + SearchVector("purpose", weight="B")
WORDS_WEIGHT = 0.15


@dataclass(frozen=True)
class Found:
    """Agents best first, each with `score` (0 to about 1). `by` is 'meaning', or 'words' when no vector
    could be had and only words were compared."""

    agents: list[Agent]
    by: str


def search_agents(text: str, *, actor: Principal, limit: int = 20) -> Found:
    """Agents visible to `actor` that fit `text`. Two queries beside the embedding."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST_QUERY:
        raise InvalidInput("Nothing was searched.", fields={"q": f"Enter 1 to {LONGEST_QUERY} characters"})
    visible = Agent.objects.visible_to(actor).with_people()
    try:
        vector = embed_through_worker([text])[0]
    except Unavailable:
        return Found(_by_words(visible, text, limit), "words")
    return Found(_by_meaning(visible, text, vector, limit), "meaning")


def _by_meaning(visible: QuerySet[Agent], text: str, vector: list[float], limit: int) -> list[Agent]:
    near = visible.filter(embedding__isnull=False).annotate(
        distance=CosineDistance("embedding__vector", vector)
    )
    candidates = list(near.order_by("distance")[: limit * 3])
    ranks = {agent.pk: agent.rank for agent in _ranked(visible, text)[: limit * 3]}
    for agent in candidates:
        agent.score = round(1 - agent.distance + WORDS_WEIGHT * ranks.get(agent.pk, 0.0), 4)
    return sorted(candidates, key=lambda agent: -agent.score)[:limit]


def _by_words(visible: QuerySet[Agent], text: str, limit: int) -> list[Agent]:
    found = list(_ranked(visible, text)[:limit])
    for agent in found:
        agent.score = round(agent.rank, 4)
    return found


def _ranked(visible: QuerySet[Agent], text: str) -> QuerySet[Agent]:
    words = [word for word in text.split() if word.isalnum()] or [text]
    query = SearchQuery(words[0])
    for word in words[1:]:
        query |= SearchQuery(word)
    ranked = visible.annotate(words=WORDS, rank=SearchRank(WORDS, query))
    return ranked.filter(Q(words=query) | Q(name__icontains=text)).order_by("-rank", "name")
