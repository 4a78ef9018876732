"""The ledger's key pair on disk: the signer's file for the sequencer alone, the verifier's for everybody."""

from __future__ import annotations

import os
from pathlib import Path

from apps.identity.ledger.notes import NoteError, Signer, Verifier


def load_signer(path: Path) -> Signer:
    """Raises NoteError, naming the file, when it is missing or not a signer key."""
    return Signer.parse(_read(path))


def load_verifier(path: Path) -> Verifier:
    """Raises NoteError, naming the file, when it is missing or not a verifier key."""
    return Verifier.parse(_read(path))


def create_key_pair(name: str, private: Path, public: Path) -> Signer:
    """Write a new pair; the private file is readable by its owner only. Refuses to replace one."""
    signer = Signer.generate(name)
    private.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(signer.encoded() + "\n")
    public.write_text(signer.verifier.encoded() + "\n")
    return signer


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise NoteError(f"the ledger key {path} cannot be read: {error.strerror}") from error
