"""The ledger: entries, the queue of those not yet sequenced, Merkle leaves, signed checkpoints.

An act and its entry are one transaction. The insert trigger puts the entry's id into `LedgerPending`; one
sequencer turns pending ids into leaves of an RFC 9162 tree, in entry order, and signs checkpoints. The
database refuses UPDATE, DELETE and TRUNCATE of entries, leaves and checkpoints to every role.
"""

from __future__ import annotations

from django.db import models


class LedgerEntry(models.Model):
    """One governed act. `body` (RFC 8785 JSON bytes) is what is hashed; the columns are its index."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=80)
    actor_id = models.UUIDField()
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True)
    body = models.BinaryField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["target_type", "target_id", "-id"], name="ledger_by_target"),
            models.Index(fields=["action", "-id"], name="ledger_by_action"),
            models.Index(fields=["actor_id", "-id"], name="ledger_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"


class LedgerPending(models.Model):
    """An entry that is written but not yet a leaf."""

    entry = models.OneToOneField(
        LedgerEntry, on_delete=models.DO_NOTHING, primary_key=True, related_name="pending"
    )

    class Meta:
        verbose_name_plural = "ledger pending"

    def __str__(self) -> str:
        return f"pending #{self.pk}"


class LedgerLeaf(models.Model):
    """A leaf of the tree: SHA-256(0x00 || body), RFC 9162 section 2.1.1."""

    leaf_index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.DO_NOTHING, related_name="leaf")
    leaf_hash = models.BinaryField()

    class Meta:
        ordering = ["leaf_index"]
        verbose_name_plural = "ledger leaves"

    def __str__(self) -> str:
        return f"leaf {self.leaf_index}"


class LedgerCheckpoint(models.Model):
    """A signed statement (C2SP tlog-checkpoint in a signed-note) of the tree's size and root."""

    tree_size = models.BigIntegerField(primary_key=True)
    root_hash = models.BinaryField()
    peaks = models.BinaryField(help_text="The compact range at this size: 32 bytes a peak, left to right.")
    note = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        ordering = ["-tree_size"]

    def __str__(self) -> str:
        return f"checkpoint of {self.tree_size}"
