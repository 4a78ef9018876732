"""Roles of the database: an owner that migrates, a web login that owns nothing, a sequencer's login.

Given the URL of a role that may create roles (DATABASE_URL, or the embedded superuser), makes the database
and three logins whose passwords follow from a secret of their own, so that every machine that is given it
derives the same. The processes are given their URL and never this secret: nobody who holds the web process
can work out the owner's password. Another secret than at the last start changes the passwords. Idempotent.

    chancery_owner       owns the database; migrations run as this
    chancery_web         member of chancery_app: reads and writes, no DDL, may only add to the ledger
    chancery_sequencing  member of chancery_app and chancery_sequencer: seals the ledger
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

GROUPS = ("chancery_app", "chancery_sequencer")
OWNER, WEB, SEQUENCING = "chancery_owner", "chancery_web", "chancery_sequencing"
MEMBERSHIPS = {OWNER: (), WEB: ("chancery_app",), SEQUENCING: GROUPS}


class RolesRefused(Exception):
    """The given role may not create roles or the database; the message says what to do."""


@dataclass(frozen=True)
class Urls:
    """How each kind of process reaches the database."""

    owner: str
    web: str
    sequencing: str


def provision(url: str, secret: str, database: str | None = None) -> Urls:
    """Make database, extension and roles through `url`; returns the URLs to use from now on.

    `database` None: the one named in the URL. Raises RolesRefused when the role may not.
    """
    name = database or urlsplit(url).path.lstrip("/") or "chancery"
    try:
        with _first_connection(url) as connection:
            _roles(connection, secret)
            _database(connection, name)
        with psycopg.connect(_at(url, name), autocommit=True, connect_timeout=10) as connection:
            _contents(connection, name)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RolesRefused(
            f"{error.diag.message_primary}. DATABASE_URL must name a role with CREATEROLE and CREATEDB, or let "
            "your administrator make the roles (docs/operations.md) and set DATABASE_OWNER_URL too."
        ) from error
    except psycopg.OperationalError as error:
        raise RolesRefused(
            f"The database does not answer: {str(error).strip()}. Is DATABASE_URL right?"
        ) from error
    return Urls(*(_as(url, name, role, secret) for role in (OWNER, WEB, SEQUENCING)))


def password_of(role: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"database role {role}".encode(), sha256).hexdigest()


def _first_connection(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """To the database in the URL or, while it does not exist yet, to the maintenance database."""
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        return psycopg.connect(_at(url, "postgres"), autocommit=True, connect_timeout=10)


def _roles(connection: psycopg.Connection[tuple[object, ...]], secret: str) -> None:
    for group in GROUPS:
        if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", group):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))
    for role, groups in MEMBERSHIPS.items():
        verb = "ALTER" if _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role) else "CREATE"
        connection.execute(
            sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password_of(role, secret))
            )
        )
        for group in groups:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role)))


def _database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _contents(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    owner = sql.Identifier(OWNER)
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(owner))
    connection.execute(
        sql.SQL("GRANT CREATE, TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(name), owner)
    )


def _exists(connection: psycopg.Connection[tuple[object, ...]], query: str, value: str) -> bool:
    return connection.execute(query, [value]).fetchone() is not None  # type: ignore[arg-type]


def _at(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def _as(url: str, database: str, role: str, secret: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(role)}:{password_of(role, secret)}"
    return parts._replace(netloc=f"{login}@{place}", path=f"/{database}").geturl()
