"""The process environment, read once and typed.

Every value Chancery takes from outside is read here, through `environs`; a missing or malformed value
stops the start with the variable's name and what was expected.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from environs import Env, EnvError
from marshmallow import ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()


def url(*schemes: str) -> Callable[[str], str]:
    """A validator: the value is a URL with one of these schemes and a host or a path."""

    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValidationError(f"expected a URL beginning with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    return check


def required(name: str, expected: str, check: Callable[[str], str] = str) -> str:
    """The value of `name`; a missing, empty or wrong one refuses the start and says what was expected."""
    value = env.str(name, default="")
    if not value:
        raise EnvError(f'Environment variable "{name}" is not set: expected {expected}')
    try:
        return check(value)
    except ValidationError as error:
        raise EnvError(
            f'Environment variable "{name}" is wrong: {" ".join(map(str, error.messages))}'
        ) from error


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in. `starttls`: upgraded after connecting; `tls`: encrypted from the first byte."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def mail_server(name: str) -> MailServer | None:
    """The server that `name` gives as a URL; None when it is not set: then no mail is sent."""
    value = env.str(name, default="")
    if not value:
        return None
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError as error:
        raise EnvError(f'Environment variable "{name}" is wrong: {error}') from error
    if parts.scheme not in MAIL_PORTS or not parts.hostname:
        raise EnvError(
            f'Environment variable "{name}" is wrong: expected smtp://, smtp+tls:// (STARTTLS) or smtps:// with '
            "user:password@host:port"
        )
    return MailServer(
        parts.hostname, port or MAIL_PORTS[parts.scheme], unquote(parts.username or ""), unquote(parts.password or ""),
        starttls=parts.scheme == "smtp+tls", tls=parts.scheme == "smtps",
    )  # fmt: skip
