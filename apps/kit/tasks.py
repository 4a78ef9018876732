"""Work any app may ask of the worker."""

import threading

from celery import shared_task
from celery.signals import worker_ready

from apps.kit.embeddings import TASK, Vector, local_embedder


@shared_task(name=TASK, queue="embeddings", acks_late=False)
def embed(texts: list[str], model: str = "") -> list[Vector]:
    """Vectors of `texts`, made by the named model, or the configured one."""
    return local_embedder(model).embed(texts)


@worker_ready.connect
def load_the_model(**_: object) -> None:
    """Load the model beside the worker's start, so that the first search does not wait for it."""
    threading.Thread(target=local_embedder().embed, args=(["ready"],), daemon=True).start()
