"""Does the ledger hold? Recomputed from the stored bytes, trusting only the public key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection, transaction

from apps.identity.ledger.merkle import CompactRange, leaf_hash
from apps.identity.ledger.notes import Checkpoint, NoteError, Verifier
from apps.identity.models import LedgerCheckpoint

MOST_FAULTS = 100
COLUMNS = ("action", "target_type", "target_id", "request_id")
WALK = """
SELECT l.leaf_index, l.entry_id, l.leaf_hash, e.body, e.action, e.target_type, e.target_id, e.request_id,
       e.actor_id::text, e.at
FROM identity_ledgerleaf l LEFT JOIN identity_ledgerentry e ON e.id = l.entry_id ORDER BY l.leaf_index
"""
LOST = """
SELECT e.id FROM identity_ledgerentry e
LEFT JOIN identity_ledgerleaf l ON l.entry_id = e.id LEFT JOIN identity_ledgerpending p ON p.entry_id = e.id
WHERE l.entry_id IS NULL AND p.entry_id IS NULL ORDER BY e.id LIMIT 100
"""


@dataclass
class Report:
    """What was found: counts, and each fault in words with where it is. It holds when there is none."""

    leaves: int = 0
    checkpoints: int = 0
    pending: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.faults

    def fault(self, words: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(words)


@transaction.atomic
def verify_ledger(
    verifier: Verifier, kept: Checkpoint | None = None, progress: Callable[[int], None] = lambda done: None
) -> Report:
    """Walk every leaf once, in one snapshot. `kept` is a checkpoint somebody saved outside."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    report, tree = Report(), CompactRange()
    signed = {row.tree_size: row for row in LedgerCheckpoint.objects.order_by("tree_size")}
    for row in _rows():
        _check_leaf(row, tree.size, report)
        tree.append(bytes(row[2]))
        _check_size(tree, signed.pop(tree.size, None), verifier, kept, report)
        if tree.size % 10_000 == 0:
            progress(tree.size)
    report.leaves = tree.size
    _check_rest(tree, signed, kept, report)
    return report


def _rows() -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(WALK)
        while rows := cursor.fetchmany(2000):
            yield from rows


def _check_leaf(row: tuple[Any, ...], expected_index: int, report: Report) -> None:
    index, entry_id, digest, body = row[0], row[1], bytes(row[2]), row[3]
    if index != expected_index:
        report.fault(f"leaf {expected_index}: missing; the next one is {index}")
    if body is None:
        report.fault(f"leaf {index}: its entry {entry_id} is gone")
    elif leaf_hash(bytes(body)) != digest:
        report.fault(f"entry {entry_id}: its content was changed after it was sealed as leaf {index}")
    else:
        _check_columns(row, report)


def _check_columns(row: tuple[Any, ...], report: Report) -> None:
    """The columns are an index of the body: somebody may have changed what lists show."""
    body = orjson.loads(bytes(row[3]))
    target, actor = body["target"], body["actor"]
    sealed = (body["action"], target["type"], target["id"], body["request_id"], actor["id"])
    names = (*COLUMNS, "actor_id")
    for name, was, now in zip(names, sealed, row[4:9], strict=True):
        if was != now:
            report.fault(f"entry {row[1]}: its column {name} says {now!r}, the sealed body {was!r}")
    if body["at"] != row[9].isoformat():
        report.fault(f"entry {row[1]}: its column at says {row[9]}, the sealed body {body['at']}")


def _check_size(
    tree: CompactRange,
    stored: LedgerCheckpoint | None,
    verifier: Verifier,
    kept: Checkpoint | None,
    report: Report,
) -> None:
    if stored is None and (kept is None or kept.size != tree.size):
        return
    root = tree.root()
    if kept is not None and kept.size == tree.size and kept.root != root:
        report.fault(
            f"the checkpoint you kept for {tree.size} entries has another root: history was rewritten"
        )
    if stored is not None:
        report.checkpoints += 1
        _check_checkpoint(stored, root, verifier, report)


def _check_checkpoint(stored: LedgerCheckpoint, root: bytes, verifier: Verifier, report: Report) -> None:
    where = f"checkpoint {stored.tree_size}"
    try:
        signed = verifier.open(stored.note)
    except NoteError as error:
        report.fault(f"{where}: {error}")
        return
    if signed.size != stored.tree_size:
        report.fault(f"{where}: its signed note is about {signed.size} entries")
    elif not signed.root == root == bytes(stored.root_hash):
        report.fault(f"{where}: the entries before it no longer give the signed root")


def _check_rest(
    tree: CompactRange, unmet: dict[int, LedgerCheckpoint], kept: Checkpoint | None, report: Report
) -> None:
    for size in unmet:
        report.fault(f"checkpoint {size}: only {tree.size} leaves are left")
    if kept is not None and kept.size > tree.size:
        report.fault(f"the checkpoint you kept covers {kept.size} entries, only {tree.size} are left")
    with connection.cursor() as cursor:
        cursor.execute(LOST)
        for (entry_id,) in cursor.fetchall():
            report.fault(f"entry {entry_id}: neither sealed nor waiting to be")
        cursor.execute("SELECT count(*) FROM identity_ledgerpending")
        report.pending = cursor.fetchone()[0]
    if tree.size and tree.size not in _sizes():
        report.fault(f"leaf {tree.size - 1}: no checkpoint covers it")


def _sizes() -> set[int]:
    return set(LedgerCheckpoint.objects.order_by("-tree_size").values_list("tree_size", flat=True)[:1])
