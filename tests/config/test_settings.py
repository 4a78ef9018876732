"""A wrong or missing value stops the start and names its variable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = {
    "SECRET_KEY": "x" * 60, "DATABASE_URL": "postgresql://u:p@localhost/x", "REDIS_URL": "redis://localhost/0",
    "ALLOWED_HOSTS": "chancery.example",
}  # fmt: skip


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]} | {k: v for k, v in (GOOD | changes).items() if v is not None}
    probe = "from config import settings as s; print(s.SESSION_COOKIE_SECURE, s.DEBUG, s.SECURE_HSTS_SECONDS)"
    return subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_defaults_are_those_of_production() -> None:
    assert start().stdout.split() == ["True", "False", "31536000"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", None, "is not set"),
        ("SECRET_KEY", "short", "at least 50 characters"),
        ("DATABASE_URL", None, "is not set"),
        ("DATABASE_URL", "mysql://x/y", "postgresql://"),
        ("REDIS_URL", "http://x", "redis://"),
        ("DEBUG", "perhaps", "DEBUG"),
        ("CHANCERY_BREAKER_THRESHOLD", "0", "CHANCERY_BREAKER_THRESHOLD"),
        ("CHANCERY_BREAKER_WINDOW_S", "soon", "CHANCERY_BREAKER_WINDOW_S"),
        ("CHANCERY_LOG_LEVEL", "LOUD", "CHANCERY_LOG_LEVEL"),
        ("CHANCERY_PUBLIC_URL", "ftp://x", "CHANCERY_PUBLIC_URL"),
        ("CHANCERY_EMAIL_URL", "mail.example", "smtp://"),
    ],
)
def test_a_wrong_value_refuses_to_start_and_names_the_variable(
    name: str, value: str | None, words: str
) -> None:
    started = start(**{name: value})
    assert started.returncode != 0
    last = started.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name in last or name in started.stderr.rpartition("ImproperlyConfigured")[2]
    assert words in last


def test_the_mail_server_is_read_from_its_address() -> None:
    probe = "from config import settings as s; print(s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL)"
    given = {"CHANCERY_EMAIL_URL": "smtp+tls://desk%40bank:secret@mail.example"}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env={"PATH": os.environ["PATH"], **GOOD, **given},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["mail.example", "587", "desk@bank", "True", "False"]
