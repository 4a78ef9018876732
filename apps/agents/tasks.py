"""Work of the registry that runs beside requests."""

from celery import shared_task

from apps.agents.services.indexing import count_terms, index_missing, refresh_vectors
from apps.kit.embeddings import local_embedder, model_name


@shared_task(name="agents.refresh_vectors", queue="embeddings")
def refresh_agent_vectors() -> int:
    """Bring words and vectors up to date with the record; returns how many agents were embedded."""
    index_missing()
    return refresh_vectors(local_embedder().embed, model_name())


@shared_task(name="agents.count_terms")
def count_search_terms() -> int:
    """Count how many agents hold each word; returns how many agents were counted."""
    return count_terms()
