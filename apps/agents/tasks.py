"""Work of the registry that runs beside requests."""

from celery import shared_task

from apps.agents.services.embedding import refresh_embeddings
from apps.kit.embeddings import local_embedder


@shared_task(name="agents.refresh_embeddings", queue="embeddings")
def refresh_agent_embeddings() -> int:
    """Bring vectors up to date with the record; returns how many agents changed."""
    return refresh_embeddings(local_embedder().embed)
