"""A client's witness: it keeps the last checkpoint, and never signs two histories."""

import base64
import dataclasses
import json
import stat
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.packs import format as fmt
from audit.tlog.note import Note
from tests.packs.maker import VERIFIER, MemoryLog, verify


@pytest.fixture
def witness(tmp_path, pubkey):
    def run(*more, expect, name="acme.example"):
        options = [
            "--pubkey",
            pubkey,
            "--state",
            tmp_path / "state",
            "--key",
            tmp_path / "key",
            "--out",
            tmp_path / "out",
        ]
        return verify("witness", *options, *(["--name", name] if name else []), *more, expect=expect)

    return run


def pack_file(tmp_path, log, acme, start, size, **more):
    path = tmp_path / f"{start}-{size}.zip"
    path.write_bytes(fmt.zip_of("2026-04", log.pack(acme, start, size, **more)))
    return path


def note_file(tmp_path, log, size):
    path = tmp_path / f"{size}.checkpoint"
    path.write_bytes(log.note(size))
    return path


def test_it_follows_the_packs_and_cosigns(log, acme, tmp_path, witness):
    witness("--pack", pack_file(tmp_path, log, acme, 0, 12), expect=0)
    answer = witness("--pack", pack_file(tmp_path, log, acme, 12, 30), expect=0)

    assert answer["facts"]["size"] == 30
    note = Note.parse((tmp_path / "out").read_bytes())
    vkey = answer["facts"]["witness"]
    cosignature = note.signatures[-1]
    public = base64.b64decode(vkey.split("+", 2)[2])[1:]
    stamp = int.from_bytes(cosignature.value[:8], "big")
    assert cosignature.key_id.hex() == vkey.split("+")[1]
    # c2sp.org/tlog-cosignature, verified by another implementation of Ed25519.
    message = f"cosignature/v1\ntime {stamp}\n{note.text}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(cosignature.value[8:], message)


def test_its_key_is_made_once_and_for_its_owner_only(log, acme, tmp_path, witness):
    first = witness("--checkpoint", note_file(tmp_path, log, 5), expect=0)
    again = witness("--checkpoint", note_file(tmp_path, log, 5), expect=0, name=None)

    assert first["facts"]["witness"] == again["facts"]["witness"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_new_key_needs_a_name(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 5), expect=2, name=None)
    witness("--checkpoint", note_file(tmp_path, log, 5), expect=2, name="two words")


def test_growth_needs_its_proof(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 5), expect=0)
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=2)
    (tmp_path / "proof").write_bytes(log.growth(5, 9))
    witness("--checkpoint", note_file(tmp_path, log, 9), "--proof", tmp_path / "proof", expect=0)


def test_an_older_checkpoint_is_refused(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=0)
    answer = witness("--checkpoint", note_file(tmp_path, log, 5), expect=1)
    assert answer["problem"]["code"] == "checkpoint_replayed"


def test_a_fork_is_refused_and_the_state_stays(log, acme, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 12), expect=0)
    kept = (tmp_path / "state").read_bytes()
    other = MemoryLog(log.tenant, log.key)
    for _ in range(30):
        other.add(acme)
    forks = [["--checkpoint", note_file(tmp_path, other, 12)], ["--pack", pack_file(tmp_path, other, acme, 12, 30)]]
    (tmp_path / "proof").write_bytes(other.growth(12, 20))
    forks.append(["--checkpoint", note_file(tmp_path, other, 20), "--proof", tmp_path / "proof"])

    for fork in forks:
        assert witness(*fork, expect=1)["problem"]["code"] == "log_forked"
    assert (tmp_path / "state").read_bytes() == kept


def test_another_log_is_refused(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=0)
    other = MemoryLog(key=log.key)
    other.add(None)
    assert witness("--checkpoint", note_file(tmp_path, other, 1), expect=1)["problem"]["code"] == "log_other"


def test_a_new_epoch_is_accepted_only_knowingly(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=0)
    second = note_file(tmp_path, dataclasses.replace(log, epoch=2), 3)
    assert witness("--checkpoint", second, expect=1)["problem"]["code"] == "epoch_wrong"
    witness("--checkpoint", second, "--accept-new-epoch", expect=0)
    first = note_file(tmp_path, log, 30)
    assert witness("--checkpoint", first, "--accept-new-epoch", expect=1)["problem"]["code"] == "epoch_wrong"


def test_events_left_out_between_two_packs_are_missed(log, acme, tmp_path, witness):
    whole = [entry for whose, entry in log.entries[:12] if whose == acme]
    witness("--pack", pack_file(tmp_path, log, acme, 0, 12, entries=whole[:-1]), expect=0)
    answer = witness("--pack", pack_file(tmp_path, log, acme, 12, 30), expect=1)
    assert answer["problem"]["code"] == "event_missing"


def test_a_checkpoint_of_another_key_is_refused(log, tmp_path, witness):
    other = MemoryLog(log.tenant)
    assert witness("--checkpoint", note_file(tmp_path, other, 0), expect=1)["problem"]["code"] == "key_unknown"
    assert not (tmp_path / "state").exists()


def test_a_state_that_was_tampered_with_is_refused(log, tmp_path, witness):
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=0)
    state = json.loads((tmp_path / "state").read_text())
    state["note"] = state["note"].replace("\n9\n", "\n8\n")
    (tmp_path / "state").write_text(json.dumps(state))
    assert witness("--checkpoint", note_file(tmp_path, log, 9), expect=1)["problem"]["code"] == "signature_wrong"
    (tmp_path / "state").write_text("{}")
    witness("--checkpoint", note_file(tmp_path, log, 9), expect=2)


def test_many_witnesses_at_once_keep_one_state(log, tmp_path, pubkey, witness):
    """Whoever comes later sees what the earlier one kept: nobody signs a step back."""
    witness("--checkpoint", note_file(tmp_path, log, 0), expect=0)
    options = ["--pubkey", pubkey, "--state", tmp_path / "state", "--key", tmp_path / "key", "--json"]
    command = [sys.executable, "-I", VERIFIER, "witness", *options]
    notes = [note_file(tmp_path, log, size) for size in (30, 30, 0, 0)]
    proof = tmp_path / "proof"
    proof.write_bytes(log.growth(0, 30))
    running = [
        subprocess.Popen([*command, "--checkpoint", note, "--proof", proof], stdout=subprocess.PIPE) for note in notes
    ]
    answers = [json.loads(process.communicate()[0]) for process in running]

    assert [answer["ok"] for answer in answers[:2]] == [True, True]
    assert json.loads((tmp_path / "state").read_text())["note"].split("\n")[1] == "30"
