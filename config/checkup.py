"""What a running installation needs, checked one by one, each fault with what to do about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.exceptions import CeleryError
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from apps.activity.models import OutboxItem
from apps.activity.partitions import partition_health
from apps.agents.models import BEYOND, AgentAlias, Connector
from apps.agents.services.indexing import progress
from apps.identity.models import LedgerEntry, LedgerLeaf, LedgerPending, WebhookCursor, WebhookEndpoint
from apps.kit.embeddings import embed_through_worker
from apps.kit.errors import DomainError
from apps.kit.heartbeat import age_s
from config.celery import app

LEDGER = ("identity_ledgerentry", "identity_ledgerleaf", "identity_ledgercheckpoint")
MOST_CLOCK_SKEW_S = 2.0
MOST_LEAVES_BEHIND = 5_000
LEAST_DISK_BYTES = 2 * 1024**3
QUIET_S = {"worker": 45, "beat": 45, "pipeline": 15, "sequencer": 15}
FAULTS = (DatabaseError, RedisError, KombuError, CeleryError, DomainError, OSError)


@dataclass(frozen=True)
class Finding:
    """One check's answer. `remedy` is '' when it passed."""

    name: str
    passed: bool
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A question; `ask` returns what it found, or raises Fault or one of FAULTS."""

    name: str
    ask: Callable[[], str]
    remedy: str


class Fault(Exception):
    """What is wrong, and what to do where the check's own remedy does not say it."""


def run_checks() -> list[Finding]:
    return [_run(check) for check in CHECKS]


def _run(check: Check) -> Finding:
    try:
        return Finding(check.name, True, check.ask())
    except (Fault, *FAULTS) as fault:
        return Finding(check.name, False, str(fault).strip().splitlines()[0], check.remedy)


def _one(query: str, *values: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _database() -> str:
    plan = MigrationExecutor(connection)
    missing = plan.migration_plan(plan.loader.graph.leaf_nodes())
    if missing:
        raise Fault(f"{len(missing)} migrations are not applied.")
    return f"PostgreSQL {_one('SHOW server_version')}, every migration applied."


def _extension() -> str:
    version = _one("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if version is None:
        raise Fault("The extension vector is not installed.")
    return f"pgvector {version}."


def _role() -> str:
    role = _one("SELECT current_user")
    owned = _one(
        "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole AND relnamespace = 'public'::regnamespace"
    )
    if owned:
        raise Fault(f"{role} owns {owned} tables or indexes; the application must own nothing.")
    for table in LEDGER:
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            if _one("SELECT has_table_privilege(current_user, %s, %s)", table, right):
                raise Fault(f"{role} may {right} {table}.")
    return f"{role} owns nothing and cannot change the ledger."


def _broker() -> str:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return "The queue accepts tasks."


def _cache() -> str:
    mark = str(time.time())
    cache.set("doctor", mark, 10)
    if cache.get("doctor") != mark:
        raise Fault("What was written was not read back.")
    return "Written and read back."


def _embedder() -> str:
    vector = embed_through_worker([f"an agent that refunds customers {time.time()}"])[0]
    made = f"The worker made a vector of {len(vector)} numbers."
    under_way = progress()
    if under_way is None:
        return made
    model, done, total = under_way
    return f"{made} {done:,} of {total:,} agents are embedded with {model}."


def _lives(name: str) -> Callable[[], str]:
    def ask() -> str:
        age = age_s(name)
        if age is None or age > QUIET_S[name]:
            raise Fault("No sign of life." if age is None else f"Last sign of life {age:.0f} s ago.")
        return f"Last sign of life {age:.0f} s ago."

    return ask


def _clock() -> str:
    theirs = _one("SELECT clock_timestamp()")
    assert isinstance(theirs, datetime)
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew > MOST_CLOCK_SKEW_S:
        raise Fault(f"This machine and the database differ by {skew:.1f} s.")
    return f"Within {skew:.2f} s of the database."


def _disk() -> str:
    free = shutil.disk_usage(settings.STATE_DIR if settings.STATE_DIR.exists() else settings.BASE_DIR).free
    if free < LEAST_DISK_BYTES:
        raise Fault(f"{free / 1024**3:.1f} GiB free.")
    return f"{free / 1024**3:.0f} GiB free."


def _partitions() -> str:
    told = []
    for health in partition_health():
        if not health.is_well:
            raise Fault(f"{health.table} has partitions for {health.days_ahead} days ahead only.")
        told.append(f"{health.table} {health.days_ahead} days ahead, {health.in_default} rows outside")
    return "; ".join(told) + "."


def _outbox() -> str:
    failed = OutboxItem.objects.exclude(failed_at=None).count()
    oldest = OutboxItem.objects.filter(failed_at=None).order_by("pk").first()
    waits_s = (datetime.now(UTC) - oldest.created_at).total_seconds() if oldest else 0
    if failed or waits_s > 10:
        raise Fault(f"{failed} batches were set aside; the oldest waiting one is {waits_s:.0f} s old.")
    return "Nothing waits."


def _ledger() -> str:
    oldest = LedgerEntry.objects.filter(pk__in=LedgerPending.objects.order_by("pk").values("pk")[:1]).first()
    waits_s = (datetime.now(UTC) - oldest.at).total_seconds() if oldest else 0
    if waits_s > 5:
        raise Fault(f"An entry has waited {waits_s:.0f} s for its seal.")
    return "Every entry is sealed within 5 s."


def _outgoing() -> str:
    failed = WebhookEndpoint.objects.filter(is_enabled=False).exclude(disabled_reason="")
    names = sorted([*failed.values_list("name", flat=True), *_failing_connectors()])
    if names:
        raise Fault(f"Nothing reaches {', '.join(names)}.")
    cursor = WebhookCursor.objects.filter(pk=1).first()
    behind = LedgerLeaf.objects.filter(leaf_index__gte=cursor.leaves if cursor else 0).count()
    if behind > MOST_LEAVES_BEHIND:
        raise Fault(f"{behind:,} sealed acts are not told to webhooks yet.")
    return "Webhooks and connectors are told of what is sealed."


def _failing_connectors() -> list[str]:
    failing = Connector.objects.filter(is_enabled=True).exclude(run_error="")
    return list(failing.values_list("name", flat=True))


def _discovery() -> str:
    lately = AgentAlias.objects.filter(
        service_name=BEYOND, agent__last_seen__gte=datetime.now(UTC) - timedelta(days=1)
    )
    names = sorted(lately.values_list("source__name", flat=True))
    if names:
        most = settings.MOST_NEW_AGENTS_PER_HOUR
        raise Fault(
            f"More than {most} new agents an hour came from {', '.join(names)}; the rest is not told apart."
        )
    return "Every agent seen in the last day is told apart."


CHECKS: tuple[Check, ...] = (
    Check(
        "database",
        _database,
        "See that PostgreSQL runs and DATABASE_URL is right; then manage.py migrate as the owner.",
    ),
    Check("extension", _extension, "As a superuser: CREATE EXTENSION vector."),
    Check("role", _role, "Connect as a login that is a member of chancery_app only (docs/operations.md)."),
    Check("broker", _broker, "See that Valkey runs and REDIS_URL is right."),
    Check("cache", _cache, "See that Valkey runs and is not full (maxmemory)."),
    Check("worker", _lives("worker"), "Start: celery -A config.celery worker --pool threads."),
    Check("beat", _lives("beat"), "Start one: celery -A config.celery beat."),
    Check(
        "embedder",
        _embedder,
        "The worker loads the model at its first task (seconds); see its log if this stays.",
    ),
    Check("pipeline", _lives("pipeline"), "Start: manage.py run_pipeline."),
    Check("sequencer", _lives("sequencer"), "Start: manage.py run_sequencer."),
    Check(
        "outbox",
        _outbox,
        "See the pipeline's log; the error stands in activity_outbox.error. Once mended: manage.py retry_outbox.",
    ),
    Check(
        "discovery",
        _discovery,
        "Let service.name name the agent, not a pod or a run; or raise CHANCERY_MOST_NEW_AGENTS_PER_HOUR.",
    ),
    Check(
        "outgoing",
        _outgoing,
        "See the delivery log under Webhooks, and Connectors; mend the receiver, then enable and replay.",
    ),
    Check("ledger", _ledger, "See the sequencer's log; only it can seal."),
    Check("partitions", _partitions, "Run the task activity.create_partitions; see the worker's log."),
    Check("clock", _clock, "Synchronise the clocks (NTP)."),
    Check("disk", _disk, "Free space, or move CHANCERY_STATE_DIR."),
)
