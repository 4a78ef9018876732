"""Work any app may ask of the worker."""

from celery import shared_task

from apps.kit.embeddings import TASK, Vector, local_embedder


@shared_task(name=TASK, queue="embeddings", acks_late=False)
def embed(texts: list[str]) -> list[Vector]:
    """Vectors of `texts`, made by the worker's model."""
    return local_embedder().embed(texts)
