"""The one writer that turns ledger entries into leaves and signs checkpoints.

Writers never wait for it: each commits its entry and a queue row. The sequencer takes the lowest queued
entries, adds their leaves in entry order and signs the new size, all in one transaction, so a kill at any
moment leaves neither a gap nor a double. An entry that commits late joins a later batch; an entry written
after another had committed always comes later in the tree (entry ids come from one uncached sequence).
"""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from apps.identity.ledger.merkle import HASH_BYTES, CompactRange, leaf_hash
from apps.identity.ledger.notes import Checkpoint, Signer
from apps.identity.models import LedgerCheckpoint, LedgerEntry, LedgerLeaf

BATCH = 5000
LOCK = 0x4348_4C45_4447  # 'CHLEDG': the advisory lock that makes the sequencer the only one

TAKE = """
DELETE FROM identity_ledgerpending WHERE entry_id IN
  (SELECT entry_id FROM identity_ledgerpending ORDER BY entry_id LIMIT %s) RETURNING entry_id
"""


def hold_sequencer_lock() -> bool:
    """True when this session is now the only sequencer; held until the session ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


@transaction.atomic
def sequence_batch(signer: Signer, origin: str) -> int:
    """Make leaves of up to 5,000 queued entries and one checkpoint; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [BATCH])
        taken = sorted(row[0] for row in cursor.fetchall())
    if not taken:
        return 0
    tree = current_tree()
    bodies = dict(LedgerEntry.objects.filter(pk__in=taken).values_list("pk", "body"))
    leaves = []
    for entry_id in taken:
        digest = leaf_hash(bytes(bodies[entry_id]))
        leaves.append(LedgerLeaf(leaf_index=tree.size, entry_id=entry_id, leaf_hash=digest))
        tree.append(digest)
    LedgerLeaf.objects.bulk_create(leaves, batch_size=1000)
    _sign(tree, signer, origin)
    return len(taken)


def current_tree() -> CompactRange:
    """The tree as of the last checkpoint."""
    last = LedgerCheckpoint.objects.order_by("-tree_size").first()
    if last is None:
        return CompactRange()
    raw = bytes(last.peaks)
    return CompactRange(last.tree_size, [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)])


def _sign(tree: CompactRange, signer: Signer, origin: str) -> None:
    root = tree.root()
    LedgerCheckpoint.objects.create(
        tree_size=tree.size,
        root_hash=root,
        peaks=b"".join(tree.peaks),
        note=signer.sign(Checkpoint(origin, tree.size, root)),
        signed_at=timezone.now(),
    )
