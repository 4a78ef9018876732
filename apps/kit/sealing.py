"""Secrets that must be used again, encrypted at rest (Fernet, key derived by HKDF-SHA256 from SECRET_KEY).

Each purpose has a key of its own, so that a sealed text cannot be carried from one column to another. A changed
SECRET_KEY opens what was sealed before while the former one stands in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps.kit.errors import Conflict


def seal(secret: str, purpose: str) -> str:
    """The secret as text that says nothing without the key."""
    return _box(purpose).encrypt(secret.encode()).decode()


def unseal(sealed: str, purpose: str) -> str:
    """Raises Conflict when no key of ours opens it."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Conflict(
            "A stored secret cannot be read: SECRET_KEY changed since. Enter the secret again.",
            code="secret.unreadable",
        ) from error


def _box(purpose: str) -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key, purpose)) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    function = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"chancery {purpose}".encode())
    return urlsafe_b64encode(function.derive(key.encode()))
