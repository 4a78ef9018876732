"""What may stand in a curated field: validators of the columns. Pure."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from iso3166 import countries_by_alpha2

ENDPOINT_SCHEMES = frozenset(
    {"https", "http", "wss", "ws", "grpc", "grpcs", "amqp", "amqps", "kafka", "nats"}
)
# Joiners that the scripts of some languages need; every other invisible mark can make one name pass for another.
JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")


def visible_name(value: str) -> None:
    """Refuse control and formatting characters: a name must read as what it is."""
    hidden = sorted({character for character in value if _is_hidden(character)})
    if hidden:
        told = ", ".join(f"U+{ord(character):04X}" for character in hidden[:5])
        raise ValidationError(f"Leave out the invisible characters {told}")


def visibly(value: str) -> str:
    """A name somebody else gave, with a mark wherever it holds an invisible character."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(character) else character for character in value)


def country_code(value: str) -> None:
    if value not in countries_by_alpha2:
        raise ValidationError("Enter the two capital letters of ISO 3166, such as FI")


def endpoint_address(value: str) -> None:
    """Refuse what is no address that something answers at: other schemes, spaces, no host."""
    try:
        parts = urlsplit(value if "://" in value else f"https://{value}")
        told = parts.scheme in ENDPOINT_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        told = False
    if not told or any(map(str.isspace, value)):
        raise ValidationError("Enter an address such as https://agents.example.org/refunds")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character not in JOINERS
