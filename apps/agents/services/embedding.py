"""Keeping each agent's vector true to what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from django.db.models import Prefetch

from apps.agents.models import Agent, AgentEmbedding, ObservedTool
from apps.kit.embeddings import Vector

TOOLS_TOLD = 12


def text_of(agent: Agent) -> str:
    """What an agent does, as one text: its name, its purpose, the tools it was seen to call."""
    tools = [
        tool.tool_name.replace("_", " ").replace(".", " ") for tool in agent.observed_tools.all()[:TOOLS_TOLD]
    ]
    name = agent.name.replace("_", " ").replace("-", " ")
    parts = [name, agent.purpose, f"Uses {', '.join(tools)}." if tools else ""]
    return ". ".join(part.strip().rstrip(".") for part in parts if part.strip())


def refresh_embeddings(embed: Callable[[Sequence[str]], list[Vector]], limit: int = 64) -> int:
    """Embed agents whose text changed, the longest unseen first; returns how many. Runs in the worker."""
    stale = []
    tools = Prefetch("observed_tools", ObservedTool.objects.order_by("-calls", "tool_name"))
    for agent in Agent.objects.select_related("embedding").prefetch_related(tools).iterator(chunk_size=500):
        text = text_of(agent)
        known = getattr(agent, "embedding", None)
        if known is None or bytes(known.text_hash) != sha256(text.encode()).digest():
            stale.append((agent, text))
        if len(stale) == limit:
            break
    vectors = embed([text for _, text in stale]) if stale else []
    for (agent, text), vector in zip(stale, vectors, strict=True):
        AgentEmbedding.objects.update_or_create(
            agent=agent,
            defaults={"text": text, "text_hash": sha256(text.encode()).digest(), "vector": vector},
        )
    return len(stale)
