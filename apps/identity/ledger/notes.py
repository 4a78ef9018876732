"""Signed checkpoints: C2SP signed-note with an Ed25519 signature over a C2SP tlog-checkpoint.

A checkpoint is three lines: origin, tree size, root in base64. A note adds an empty line and signature
lines `— <name> base64(key id || signature)`; the key id is the first four bytes of
SHA-256(name || 0x0A || 0x01 || public key).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
DASH = "\N{EM DASH}"


class NoteError(ValueError):
    """A key, note or checkpoint that is not of its form, or a signature that does not hold."""


@dataclass(frozen=True)
class Checkpoint:
    """What is signed: the log's origin, its number of leaves, its root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class Verifier:
    """A public key with its name: `name+keyid+base64(0x01 || key)`."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key.public_bytes_raw()).digest()[:4]

    def encoded(self) -> str:
        material = b64encode(ED25519 + self.key.public_bytes_raw()).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Raises NoteError unless `text` is an Ed25519 verifier key whose id fits."""
        name, key_id, material = _three(text.strip())
        verifier = cls(name, Ed25519PublicKey.from_public_bytes(_key_bytes(material)))
        if verifier.key_id.hex() != key_id:
            raise NoteError("the key id does not belong to this key")
        return verifier

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note signed by this key; NoteError when it is not."""
        text, _, signatures = note.partition("\n\n")
        signed = (text + "\n").encode()
        for line in signatures.splitlines():
            if self._holds(line, signed):
                return parse_checkpoint(text + "\n")
        raise NoteError(f"no valid signature of {self.name}")

    def _holds(self, line: str, signed: bytes) -> bool:
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if mark != DASH or name != self.name:
            return False
        raw = _decode(encoded)
        if raw[:4] != self.key_id:
            return False
        try:
            self.key.verify(raw[4:], signed)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key with its name: `PRIVATE+KEY+name+keyid+base64(0x01 || seed)`."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def generate(cls, name: str) -> Signer:
        return cls(name, Ed25519PrivateKey.generate())

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key())

    def encoded(self) -> str:
        material = b64encode(ED25519 + self.key.private_bytes_raw()).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Raises NoteError unless `text` is an Ed25519 signer key whose id fits."""
        if not text.startswith("PRIVATE+KEY+"):
            raise NoteError("expected a signer key beginning with PRIVATE+KEY+")
        name, key_id, material = _three(text.strip().removeprefix("PRIVATE+KEY+"))
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(_key_bytes(material)))
        if signer.verifier.key_id.hex() != key_id:
            raise NoteError("the key id does not belong to this key")
        return signer

    def sign(self, checkpoint: Checkpoint) -> str:
        text = checkpoint.text()
        signature = b64encode(self.verifier.key_id + self.key.sign(text.encode())).decode()
        return f"{text}\n{DASH} {self.name} {signature}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Raises NoteError unless the three lines are there and well formed."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not lines[1].isdecimal():
        raise NoteError("expected an origin, a tree size and a root, a line each")
    return Checkpoint(lines[0], int(lines[1]), _decode(lines[2]))


def _three(text: str) -> tuple[str, str, str]:
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")
    if not (name and len(key_id) == 8 and material):
        raise NoteError("expected name+keyid+key")
    return name, key_id, material


def _key_bytes(material: str) -> bytes:
    raw = _decode(material)
    if raw[:1] != ED25519 or len(raw) != 33:
        raise NoteError("expected an Ed25519 key")
    return raw[1:]


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error as error:
        raise NoteError("expected base64") from error
