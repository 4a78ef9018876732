"""Whom an erasure is about: sealed while it is at work, known by keyed hashes alone for ever after."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex

from django.conf import settings

from apps.activity.erasure.leaves import Eraser
from apps.activity.erasure.patterns import coarse, normal
from apps.activity.erasure.rows import Search, runs_of
from apps.kit.sealing import seal, unseal

PURPOSE = "subject of an erasure"


@dataclass(frozen=True)
class Subject:
    """Identifiers of one person, conversations that are theirs as a whole, and the salt of pseudonyms."""

    identifiers: Sequence[str]
    conversations: Sequence[str]
    salt: str

    def search(self) -> Search:
        """What is looked for as of now; a query where conversations go as a whole."""
        eraser = Eraser(self.identifiers, bytes.fromhex(self.salt))
        return Search(coarse(self.identifiers), eraser, runs_of(self.conversations, eraser))


def sealed(identifiers: Sequence[str], conversations: Sequence[str]) -> str:
    told = {"identifiers": list(identifiers), "conversations": list(conversations), "salt": token_hex(32)}
    return seal(json.dumps(told), PURPOSE)


def opened(text: str) -> Subject:
    """Raises Conflict when the key it was sealed with is gone."""
    return Subject(**json.loads(unseal(text, PURPOSE)))


def digest_of(identifier: str) -> str:
    """The same for all spellings that are found alike, and of no use to anybody without CHANCERY_CONTENT_KEY."""
    key = hmac.digest(settings.CONTENT_KEY, b"chancery erasure", "sha256")
    return hmac.new(key, normal(identifier).encode(), sha256).hexdigest()[:40]
