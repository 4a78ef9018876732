"""The ledger: append-only by the database's own word, sealed without gaps, verified from its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from apps.identity.ledger.keys import create_key_pair, load_signer, load_verifier
from apps.identity.ledger.merkle import (
    CompactRange,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from apps.identity.ledger.notes import Checkpoint, NoteError, Signer, Verifier
from apps.identity.ledger.sequencer import sequence_batch
from apps.identity.ledger.verify import verify_ledger
from apps.identity.models import LedgerCheckpoint, LedgerEntry, LedgerLeaf, LedgerPending
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import InvalidInput
from tests import factories

ORIGIN = "test/ledger"
OWNER_ONLY = "ALTER TABLE identity_ledgerentry {} TRIGGER ledger_keeps_rows"


@pytest.fixture
def signer() -> Signer:
    return Signer.generate(ORIGIN)


@pytest.fixture
def as_sequencer() -> Callable[[Signer], int]:
    """Seal what waits, connected as the sequencer's own login."""

    def seal(signer: Signer) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
        return sequence_over(os.environ["CHANCERY_TEST_SEQUENCER_URL"], signer)

    return seal


def sequence_over(url: str, signer: Signer) -> int:
    """Run the sequencer's step with Django connected by another URL for its duration."""
    settings_dict = connection.settings_dict
    kept = {name: settings_dict[name] for name in ("USER", "PASSWORD")}
    parts = psycopg.conninfo.conninfo_to_dict(url)
    connection.close()
    connection.close_pool()
    settings_dict.update(USER=parts["user"], PASSWORD=parts["password"])
    try:
        return sequence_batch(signer, ORIGIN)
    finally:
        connection.close()
        connection.close_pool()
        settings_dict.update(kept)


def write(count: int) -> list[LedgerEntry]:
    with transaction.atomic():
        return [
            record_act(
                "test.thing.done", actor=system_principal(), target=("thing", number), detail={"n": number}
            )
            for number in range(count)
        ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "table", ["identity_ledgerentry", "identity_ledgerleaf", "identity_ledgercheckpoint"]
)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {c} = {c}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_application_may_not_change_the_ledger(table: str, statement: str) -> None:
    columns = {"identity_ledgerentry": "action", "identity_ledgerleaf": "leaf_hash"}
    column = columns.get(table, "note")
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table, c=column))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement", ["UPDATE identity_ledgerentry SET action = 'x'", "DELETE FROM identity_ledgerentry"]
)
def test_even_the_owner_is_refused_by_the_trigger(statement: str) -> None:
    write(1)
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            owner.execute(statement)
        owner.rollback()


@pytest.mark.django_db
def test_the_application_owns_no_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_an_entry_and_its_place_in_the_queue_are_one_transaction() -> None:
    entry = write(1)[0]
    assert LedgerPending.objects.filter(entry=entry).exists()


@pytest.mark.django_db(transaction=True)
def test_an_act_that_is_rolled_back_leaves_no_entry() -> None:
    with transaction.atomic():
        record_act("test.thing.done", actor=system_principal(), target=("thing", 1))
        transaction.set_rollback(True)
    assert not LedgerEntry.objects.exists()
    assert not LedgerPending.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="outside the transaction"):
        record_act("test.thing.done", actor=system_principal(), target=("thing", 1))


@pytest.mark.django_db
def test_a_detail_without_canonical_form_is_refused() -> None:
    with pytest.raises(InvalidInput), transaction.atomic():
        record_act("test.thing.done", actor=system_principal(), target=("thing", 1), detail={"n": 2**60})


@pytest.mark.django_db(transaction=True)
def test_sealing_makes_a_leaf_of_every_entry_in_order(
    signer: Signer, as_sequencer: Callable[[Signer], int]
) -> None:
    entries = write(7)
    assert as_sequencer(signer) == 7
    leaves = list(LedgerLeaf.objects.order_by("leaf_index").values_list("leaf_index", "entry_id"))
    assert leaves == [(index, entry.pk) for index, entry in enumerate(entries)]
    assert not LedgerPending.objects.exists()
    checkpoint = signer.verifier.open(LedgerCheckpoint.objects.get().note)
    assert (checkpoint.size, checkpoint.root) == (7, root_of([leaf_hash(bytes(e.body)) for e in entries]))


@pytest.mark.django_db(transaction=True)
def test_sealing_goes_on_where_it_was_left(signer: Signer, as_sequencer: Callable[[Signer], int]) -> None:
    for count in (1, 2, 5):
        write(count)
        as_sequencer(signer)
    report = verify_ledger(signer.verifier)
    assert report.holds, report.faults
    assert (report.leaves, report.checkpoints) == (8, 3)


def _tamper(statement: str, table: str = "identity_ledgerentry") -> None:
    """What somebody with the owner's password and the trigger switched off could do."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as owner:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ledger_keeps_rows")
        owner.execute(statement)
        owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER ledger_keeps_rows")


TAMPERINGS = {
    "content": ("UPDATE identity_ledgerentry SET body = body || ' ' WHERE id = 3", "identity_ledgerentry", "entry 3: its content was changed"),
    "column": ("UPDATE identity_ledgerentry SET action = 'test.other' WHERE id = 2", "identity_ledgerentry", "entry 2: its column action"),
    "time": ("UPDATE identity_ledgerentry SET at = at - interval '1 day' WHERE id = 2", "identity_ledgerentry", "entry 2: its column at"),
    "leaf": ("UPDATE identity_ledgerleaf SET leaf_hash = sha256('x') WHERE leaf_index = 1", "identity_ledgerleaf", "entry 2: its content was changed"),
    "end cut off": ("DELETE FROM identity_ledgerleaf WHERE leaf_index = 4", "identity_ledgerleaf", "only 4 leaves are left"),
    "middle cut out": ("DELETE FROM identity_ledgerleaf WHERE leaf_index = 2", "identity_ledgerleaf", "leaf 2: missing"),
    "checkpoint": ("UPDATE identity_ledgercheckpoint SET note = replace(note, E'\\n5\\n', E'\\n6\\n')", "identity_ledgercheckpoint", "no valid signature"),
}  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("ids_from_one")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_named(
    name: str, signer: Signer, as_sequencer: Callable[[Signer], int]
) -> None:
    write(5)
    as_sequencer(signer)
    statement, table, words = TAMPERINGS[name]
    _tamper(statement, table)
    report = verify_ledger(signer.verifier)
    assert not report.holds
    assert any(words in fault for fault in report.faults), report.faults


@pytest.mark.django_db(transaction=True)
def test_a_history_rewritten_with_the_real_key_is_found_by_a_kept_checkpoint(
    signer: Signer, as_sequencer: Callable[[Signer], int]
) -> None:
    write(3)
    as_sequencer(signer)
    kept = signer.verifier.open(LedgerCheckpoint.objects.get().note)
    assert verify_ledger(signer.verifier, kept).holds
    forged = Checkpoint(kept.origin, kept.size, b"\0" * 32)
    report = verify_ledger(signer.verifier, forged)
    assert any("history was rewritten" in fault for fault in report.faults)


@pytest.mark.django_db(transaction=True)
def test_the_command_says_whether_the_ledger_holds(
    tmp_path: Path, as_sequencer: Callable[[Signer], int], capsys: pytest.CaptureFixture[str]
) -> None:
    signer = create_key_pair(ORIGIN, tmp_path / "ledger.key", tmp_path / "ledger.pub")
    write(2)
    as_sequencer(signer)
    call_command("verify_ledger", key=tmp_path / "ledger.pub")
    assert "The ledger holds." in capsys.readouterr().out
    _tamper("UPDATE identity_ledgerentry SET body = body || ' ' WHERE id = 1")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_ledger", key=tmp_path / "ledger.pub")
    assert ended.value.code == 1
    assert "entry 1: its content was changed" in capsys.readouterr().out


def test_the_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    create_key_pair(ORIGIN, tmp_path / "ledger.key", tmp_path / "ledger.pub")
    assert (tmp_path / "ledger.key").stat().st_mode & 0o777 == 0o600
    assert load_signer(tmp_path / "ledger.key").verifier == load_verifier(tmp_path / "ledger.pub")
    with pytest.raises(FileExistsError):
        create_key_pair(ORIGIN, tmp_path / "ledger.key", tmp_path / "ledger.pub")


def test_a_note_signed_by_another_key_is_refused(signer: Signer) -> None:
    note = signer.sign(Checkpoint(ORIGIN, 3, b"r" * 32))
    assert signer.verifier.open(note).size == 3
    with pytest.raises(NoteError):
        Signer.generate(ORIGIN).verifier.open(note)
    with pytest.raises(NoteError):
        signer.verifier.open(note.replace("\n3\n", "\n4\n"))
    assert Verifier.parse(signer.verifier.encoded()) == signer.verifier


LEAVES = [leaf_hash(bytes([number])) for number in range(40)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 31, 32, 33, 40])
def test_inclusion_of_every_leaf_is_proved_and_no_other(size: int) -> None:
    leaves, root = LEAVES[:size], root_of(LEAVES[:size])
    for index in range(size):
        path = inclusion_path(leaves, index)
        assert verify_inclusion(leaves[index], index, size, path, root)
        assert not verify_inclusion(leaf_hash(b"other"), index, size, path, root)
        assert not verify_inclusion(leaves[index], index, size, [*path, root], root)


@pytest.mark.parametrize("new_size", [1, 2, 5, 8, 21, 40])
def test_consistency_is_proved_for_every_earlier_size(new_size: int) -> None:
    new_root = root_of(LEAVES[:new_size])
    for old_size in range(1, new_size + 1):
        path, old_root = consistency_path(LEAVES[:new_size], old_size), root_of(LEAVES[:old_size])
        assert verify_consistency(old_size, new_size, path, old_root, new_root)
        assert not verify_consistency(old_size, new_size, path, leaf_hash(b"x"), new_root)
    assert not verify_consistency(0, new_size, [], root_of([]), new_root)


def test_the_roots_are_those_of_rfc_9162() -> None:
    """The reference tree of the Certificate Transparency test vectors (leaves "", 0x00, 0x10, ...)."""
    bodies = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree, roots = CompactRange(), []
    for body in bodies:
        tree.append(leaf_hash(bytes.fromhex(body)))
        roots.append(tree.root().hex())
    assert roots[0] == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert roots[7] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.django_db
def test_what_people_decide_is_written_with_actor_and_reason() -> None:
    agent = factories.make_agent("registered", tier=2)
    from apps.lifecycle.services.moves import move_agent

    curator = factories.make_person("curator")
    move_agent(agent, "suspend", actor=curator, reason="Strange answers since noon.")
    entry = LedgerEntry.objects.order_by("-pk")[0]
    assert (entry.action, entry.actor_id, entry.target_id) == (
        "lifecycle.agent.suspended",
        curator.pk,
        str(agent.pk),
    )
    assert b"Strange answers since noon." in bytes(entry.body)


@pytest.mark.django_db(transaction=True)
def test_the_ledger_page_names_things_counts_by_leaf_and_hands_out_the_checkpoint(
    signer: Signer, as_sequencer: Callable[[Signer], int]
) -> None:
    auditor = factories.make_person("auditor")
    client = Client()
    client.force_login(auditor.person, backend="apps.identity.auth.PersonBackend")
    assert client.get("/ledger/checkpoint/").status_code == 404
    agent = factories.make_agent("registered", tier=2, name="refund_agent")
    with transaction.atomic():
        record_act("x.rolled.back", actor=auditor, target=("agent", agent.pk))
        transaction.set_rollback(True)  # takes an id with it: a gap in ids that is no gap in the tree
    with transaction.atomic():
        record_act("agents.agent.confirmed", actor=auditor, target=("agent", agent.pk))
    as_sequencer(signer)
    page = client.get("/ledger/").content.decode()
    assert "refund_agent <span" in page
    leaf = LedgerLeaf.objects.get(entry__action="agents.agent.confirmed")
    assert f'/ledger/{leaf.entry_id}/">{leaf.leaf_index}</a>' in page
    kept = client.get("/ledger/checkpoint/")
    assert kept.headers["content-type"] == "text/plain; charset=utf-8"
    assert "attachment" in kept.headers["content-disposition"]
    assert kept.content.decode() == LedgerCheckpoint.objects.first().note
