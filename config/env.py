"""The process environment, read once and typed.

Every value Chancery takes from outside is read here, through `environs`; a missing or malformed value
stops the start with the variable's name and what was expected.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

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
