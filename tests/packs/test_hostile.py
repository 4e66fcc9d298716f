"""Packs that lie. First those of somebody without the key, then those of somebody who has it."""

import base64
import dataclasses
import gzip
import io
import json
import zipfile
import zlib
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.packs import format as fmt
from audit.verifier import msplex_verify as verifier
from tests.packs.maker import MemoryLog, code_of

EVENTS = "2026-04.jsonl.gz"
FIXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def keys_of(*logs: MemoryLog) -> list[verifier.PublicKey]:
    return [verifier.PublicKey(log.key.public_key().public_bytes_raw()) for log in logs]


def verdict(log: MemoryLog, files: dict[str, bytes]) -> str:
    return code_of(lambda: verifier.check_pack(files, None, keys_of(log)))


def zip_verdict(log: MemoryLog, raw: bytes) -> str:
    return code_of(lambda: verifier.check_pack(verifier.unzip(raw), None, keys_of(log)))


def lines_of(files: dict[str, bytes]) -> list[bytes]:
    return gzip.decompress(files[EVENTS]).splitlines(keepends=True)


def proof_of(files: dict[str, bytes]) -> dict:
    return json.loads(files["proof.json"])


def with_lines(log: MemoryLog, files: dict[str, bytes], lines: list[bytes], **proof) -> dict[str, bytes]:
    """Signed again, by somebody who has the key and may say anything."""
    made = files | {EVENTS: gzip.compress(b"".join(lines), mtime=0)}
    return with_proof(log, made, **proof)


def with_proof(log: MemoryLog, files: dict[str, bytes], **changed) -> dict[str, bytes]:
    return log.seal(files | {"proof.json": json.dumps(proof_of(files) | changed).encode()})


@pytest.fixture
def pack(log, acme) -> dict[str, bytes]:
    return log.pack(acme, 9, 25)


# Without the key.


def test_every_flipped_byte_of_the_zip_is_refused(log, pack):
    raw = fmt.zip_of("2026-04", pack)
    assert zip_verdict(log, raw) == "accepted"
    held = bytearray(raw)
    for place in range(len(raw)):
        held[place] ^= 0x01 << place % 8
        assert zip_verdict(log, bytes(held)) != "accepted", place
        held[place] = raw[place]


def test_every_truncation_of_the_zip_is_refused(log, pack):
    raw = fmt.zip_of("2026-04", pack)
    for size in range(0, len(raw), 13):
        assert zip_verdict(log, raw[:size]) != "accepted"
    assert zip_verdict(log, raw + b"\0") != "accepted"
    assert zip_verdict(log, b"\0" + raw) != "accepted"
    assert zip_verdict(log, raw + raw) != "accepted"


@settings(FIXED, max_examples=250)
@given(data=st.data())
def test_no_mutated_file_is_accepted(data):
    """The same pack as a folder, where no zip protects anything."""
    log, pack = _signed_once()
    name = data.draw(st.sampled_from(sorted(pack)))
    raw = bytearray(pack[name])
    place = data.draw(st.integers(0, len(raw) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "delete", "double"]))
    changed = {
        "flip": bytes(raw[:place]) + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + bytes(raw[place + 1 :]),
        "cut": bytes(raw[:place]),
        "insert": bytes(raw[:place]) + data.draw(st.binary(min_size=1, max_size=9)) + bytes(raw[place:]),
        "delete": bytes(raw[:place]) + bytes(raw[place + 1 :]),
        "double": bytes(raw[:place]) + bytes(raw),
    }[how]
    if changed != bytes(raw):
        assert verdict(log, pack | {name: changed}) != "accepted"


def _signed_once(made={}) -> tuple[MemoryLog, dict[str, bytes]]:  # noqa: B006 - kept on purpose: making one is slow
    if not made:
        log, acme = MemoryLog(), uuid4()
        for number in range(12):
            log.add(acme if number % 2 else None)
        made.update(log=log, pack=log.pack(acme, 4, 12))
    return made["log"], made["pack"]


@settings(FIXED, max_examples=150)
@given(raw=st.binary(max_size=300))
def test_nonsense_never_crashes(raw):
    log, pack = _signed_once()
    for name in pack:
        assert verdict(log, pack | {name: raw}) != "accepted"
    assert zip_verdict(log, raw) != "accepted"
    assert zip_verdict(log, b"PK\x03\x04" + raw) != "accepted"


def test_another_key_is_refused(log, pack):
    assert verdict(MemoryLog(), pack) == "signature_wrong"
    forged = dataclasses.replace(log, key=Ed25519PrivateKey.generate())
    assert verdict(log, forged.seal(pack)) == "signature_wrong"


def test_a_key_that_comes_with_the_pack_proves_nothing(log, pack):
    forger = dataclasses.replace(log, key=Ed25519PrivateKey.generate())
    page = json.dumps({"keys": [{"vkey": str(forger.vkey)}]}).encode()
    files = pack | {"keys.json": page, "checkpoint": forger.note(25), "previous.checkpoint": forger.note(9)}

    assert verdict(forger, forger.seal(files)) == "accepted"
    assert verdict(log, forger.seal(files)) == "signature_wrong"


def test_a_missing_an_added_and_a_renamed_file_are_refused(log, pack):
    for name in pack:
        assert verdict(log, {each: content for each, content in pack.items() if each != name}) != "accepted"
    assert verdict(log, pack | {"more.txt": b""}) == "file_unsigned"
    assert verdict(log, pack | {"../evil": b""}) == "file_unsigned"


def test_a_pack_made_of_two_is_refused(log, acme, pack):
    other = log.pack(acme, 9, 28)
    for name in sorted(set(pack) - {"2026-04.pdf", "keys.json", "previous.checkpoint"}):
        assert verdict(log, pack | {name: other[name]}) != "accepted", name


def ordinary_zip(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_play_tricks_are_refused(log, pack):
    named = [(f"2026-04/{name}", content) for name, content in pack.items()]
    tricks = {
        "twice": ordinary_zip([*named, named[0]]),
        "path": ordinary_zip([*named, ("../../etc/passwd", b"x")]),
        "absolute": ordinary_zip([*named, ("/etc/passwd", b"x")]),
        "packed again": ordinary_zip(named, zipfile.ZIP_DEFLATED),
        "bomb": ordinary_zip([("2026-04/2026-04.pdf", bytes(50_000_000))], zipfile.ZIP_DEFLATED),
        "two folders": fmt.zip_of("2026-04", pack)[:0] + ordinary_zip([("2026-03/checkpoint", b"x"), *named]),
        "empty": ordinary_zip([]),
    }
    for name, raw in tricks.items():
        assert zip_verdict(log, raw) in {"zip_changed", "zip_names"}, name


def test_names_that_lead_out_of_the_folder_are_refused_in_our_own_form_of_zip(log):
    for folder in ("..", "2026-04/..", "", "/2026-04", "2026-04/x"):
        raw = fmt.zip_of(folder, {"checkpoint": b"x"})
        assert zip_verdict(log, raw) == "zip_names"


# With the key: everything is signed, and still has to be true.


def test_a_swapped_month_is_refused(log, pack):
    renamed = {name.replace("2026-04", "2026-03"): content for name, content in pack.items()}
    assert verdict(log, renamed) != "accepted"
    assert verdict(log, log.seal(renamed)) == "month_swapped"
    assert verdict(log, with_proof(log, pack, month="2026-03")) == "month_swapped"


def test_a_dropped_event_is_refused(log, pack):
    lines = lines_of(pack)
    for place in range(len(lines)):
        kept = [*lines[:place], *lines[place + 1 :]]
        proof = proof_of(pack)
        honest = {"leaves": len(kept), "k_to": proof["k_to"] - 1}
        assert verdict(log, with_lines(log, pack, kept)) != "accepted"
        assert verdict(log, with_lines(log, pack, kept, **honest)) != "accepted"


def test_a_dropped_event_is_refused_even_with_a_proof_that_fits(log, acme):
    """The gap in the numbers tells, because each number is part of what the tree hashes."""
    entries = [entry for whose, entry in log.entries[9:25] if whose == acme]
    for place in range(1, len(entries) - 1):
        assert verdict(log, log.pack(acme, 9, 25, entries=[*entries[:place], *entries[place + 1 :]])) == "event_missing"


def test_renumbered_events_are_refused(log, acme):
    entries = [entry for whose, entry in log.entries[9:25] if whose == acme]
    closed = [entries[0], *(dataclasses.replace(each, k=each.k - 1) for each in entries[2:])]
    assert verdict(log, log.pack(acme, 9, 25, entries=closed)) == "event_forged"


def test_a_doubled_an_added_and_a_reordered_event_are_refused(log, acme, pack):
    lines = lines_of(pack)
    more = {"leaves": len(lines) + 1, "k_to": proof_of(pack)["k_to"] + 1}
    added = log.add(acme)
    other = dataclasses.replace(added, k=proof_of(pack)["k_to"], index=24)
    assert verdict(log, with_lines(log, pack, [*lines, lines[-1]], **more)) == "event_missing"
    assert verdict(log, with_lines(log, pack, [*lines, other.line()], **more)) == "event_misplaced"
    assert verdict(log, with_lines(log, pack, [*lines, lines[-1]])) == "event_added"
    assert verdict(log, with_lines(log, pack, [lines[1], lines[0], *lines[2:]])) == "event_missing"
    twice = json.loads(lines[-1]) | {"k": proof_of(pack)["k_to"], "index": 24}
    assert verdict(log, with_lines(log, pack, [*lines, json.dumps(twice).encode() + b"\n"], **more)) in {
        "event_twice",
        "event_misplaced",
    }


def test_an_altered_event_is_refused(log, pack):
    lines = lines_of(pack)
    header = lines[2].replace(b'\\"result\\":\\"ok\\"', b'\\"result\\":\\"no\\"')
    body = lines[2].replace(b"alice@msp.example", b"carol@msp.example")
    assert header != lines[2] != body
    assert verdict(log, with_lines(log, pack, [*lines[:2], header, *lines[3:]])) == "event_forged"
    assert verdict(log, with_lines(log, pack, [*lines[:2], body, *lines[3:]])) == "body_changed"


def test_an_event_of_another_customer_is_refused(log, acme):
    entries = [entry for whose, entry in log.entries[9:25] if whose == acme]
    stranger = log.entries[10][1]
    swapped = [entries[0], dataclasses.replace(stranger, k=entries[1].k), *entries[2:]]
    assert verdict(log, log.pack(acme, 9, 25, entries=swapped)) == "customer_foreign"


def test_an_event_of_another_tenant_is_refused(log, acme):
    """Even one that the tenant's own log has: a header says whose it is."""
    log.add(acme, tenant=str(uuid4()))
    assert verdict(log, log.pack(acme, 9, 31)) == "tenant_foreign"


def test_another_tenant_s_log_is_refused(log, acme, pack):
    other = dataclasses.replace(log, tenant=uuid4())
    for name, content in (("checkpoint", other.note(25)), ("previous.checkpoint", other.note(9))):
        assert verdict(log, log.seal(pack | {name: content})) == "log_mixed"
    assert verdict(log, with_proof(log, pack, origin=other.origin)) == "log_mixed"
    assert verdict(log, other.seal(other.pack(acme, 9, 25))) == "tenant_foreign"


def test_another_epoch_is_refused(log, pack):
    other = dataclasses.replace(log, epoch=2)
    for name, content in (("checkpoint", other.note(25)), ("previous.checkpoint", other.note(9))):
        assert verdict(log, log.seal(pack | {name: content})) == "log_mixed"


def test_a_replayed_checkpoint_is_refused(log, pack):
    assert verdict(log, log.seal(pack | {"checkpoint": log.note(24)})) == "checkpoint_replayed"
    assert verdict(log, log.seal(pack | {"checkpoint": log.note(26)})) == "checkpoint_replayed"
    assert verdict(log, log.seal(pack | {"previous.checkpoint": log.note(8)})) == "checkpoint_replayed"
    assert verdict(log, with_proof(log, log.seal(pack | {"checkpoint": log.note(24)}), size=24)) != "accepted"


def test_a_forged_proof_is_refused(log, pack):
    proof = proof_of(pack)
    junk = base64.b64encode(b"x" * 32).decode()
    for name in ("inclusion", "consistency"):
        hashes = proof[name]
        for place in range(len(hashes)):
            assert (
                verdict(log, with_proof(log, pack, **{name: [*hashes[:place], junk, *hashes[place + 1 :]]}))
                != "accepted"
            )
        for wrong in ([], hashes[:-1], [*hashes, junk], hashes[::-1], [1], ["x"], [hashes], [hashes[0][:-2] + "=="]):
            assert verdict(log, with_proof(log, pack, **{name: wrong})) != "accepted"


@pytest.mark.parametrize(
    "changed",
    [
        {"k_from": 2}, {"k_to": 8}, {"leaves": 5}, {"from": 8}, {"size": 26}, {"erased": 1}, {"v": 2}, {"v": True},
        {"customer": "*"}, {"month": "2026-13"}, {"month": "2026-04/../x"}, {"cut_at": "yesterday"}, {"interim": "no"},
        {"handover": {}}, {"handover": {"domain": "@x", "actors": [], "left_out": 0}}, {"k_from": -1}, {"size": 2.5},
        {"inclusion": None}, {"more": 1}, {"origin": "msplex.example/audit/x/e1"}, {"handover": []},
    ],
)  # fmt: skip
def test_a_proof_that_says_something_else_is_refused(log, pack, changed):
    assert verdict(log, with_proof(log, pack, **changed)) != "accepted"


def test_a_rewritten_log_is_refused(log, acme):
    """Both checkpoints are genuine signatures, and the older one is of a history that is no more."""
    before = log.note(9)
    log.entries[4] = (
        log.entries[4][0],
        dataclasses.replace(log.entries[4][1], header=log.entries[4][1].header[:-1] + b" }"),
    )
    pack = log.pack(acme, 9, 25)
    assert verdict(log, pack) == "accepted"
    assert verdict(log, log.seal(pack | {"previous.checkpoint": before})) == "log_rewritten"


def test_a_gzip_that_is_more_than_one_is_refused(log, pack):
    lines = b"".join(lines_of(pack))
    for raw in (
        gzip.compress(lines[:900]) + gzip.compress(lines[900:]),
        pack[EVENTS] + b"\0",
        pack[EVENTS][:-4],
        zlib.compress(lines),
        gzip.compress(lines + b"{"),
        gzip.compress(lines + b"\n"),
        gzip.compress(b"[" * 2_000_000 + b"\n"),
        gzip.compress(bytes(64_000_000)),
        b"",
    ):
        assert verdict(log, log.seal(pack | {EVENTS: raw})) != "accepted"


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"null", b"\xff", b'{"index":1,"index":2}', b'{"index":1e3,"k":3,"header":"{}","body":null}',
        b'{"index":9,"k":3,"header":"\\ud800","body":null}', b'{"index":NaN,"k":3,"header":"{}","body":null}',
        b'{"index":9,"k":3,"header":"[]","body":null}',
        b'{"index":9,"k":3,"header":"{\\"v\\":1,\\"id\\":7}","body":null}',
        b'{"index":9,"k":true,"header":"{}","body":null}', b'{"index":9,"k":3,"header":"{}","body":null,"more":1}',
        b'{"index":' + b"9" * 5000 + b',"k":3,"header":"{}","body":null}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_lines_that_are_no_events_are_refused(log, pack, line):
    lines = lines_of(pack)
    assert verdict(log, with_lines(log, pack, [line + b"\n", *lines[1:]])) != "accepted"


@settings(FIXED, max_examples=200)
@given(data=st.data())
def test_no_mutated_pack_is_accepted_even_signed_again(data):
    """Whoever has the key still cannot make up events: what is accepted says the same as the original."""
    log, pack = _signed_once()
    lines = lines_of(pack)
    place = data.draw(st.integers(0, len(lines) - 1))
    raw = bytearray(lines[place][:-1])
    where = data.draw(st.integers(0, len(raw) - 1))
    raw[where] ^= data.draw(st.integers(1, 255))
    changed = [*lines[:place], bytes(raw) + b"\n", *lines[place + 1 :]]

    assert verdict(log, with_lines(log, pack, changed)) != "accepted"


# Handover packs.


@pytest.fixture
def team(acme) -> tuple[MemoryLog, dict[str, bytes], fmt.Handover]:
    log = MemoryLog()
    alice, bob, mallory = (str(uuid4()) for _ in range(3))
    for number in range(12):
        log.add(acme, actor=[alice, mallory, bob][number % 3])
    log.add(acme, behalf=bob)
    handover = fmt.Handover("@msp.example", frozenset({alice, bob}))
    return log, log.pack(acme, 0, 13, handover=handover), handover


def test_a_handover_pack_shows_the_team_s_details_and_counts_the_rest(team):
    log, pack, _ = team
    made = verifier.check_pack(pack, None, keys_of(log))
    assert (made.facts["events"], made.facts["left_out"]) == (13, 4)
    shown = [json.loads(line)["body"] is not None for line in lines_of(pack)]
    assert shown == [True, False, True] * 4 + [True]


def test_details_left_out_of_a_handover_pack_are_missed(team):
    log, pack, _ = team
    lines = [json.loads(line) for line in lines_of(pack)]
    for place in (0, 12):
        less = [each | ({"body": None} if at == place else {}) for at, each in enumerate(lines)]
        raw = [json.dumps(each).encode() + b"\n" for each in less]
        assert verdict(log, with_lines(log, pack, raw)) == "details_missing"
        handover = proof_of(pack)["handover"] | {"left_out": 5}
        assert verdict(log, with_lines(log, pack, raw, handover=handover)) == "details_missing"


def test_details_of_others_in_a_handover_pack_are_refused(team, acme):
    log, pack, _ = team
    whole = log.pack(acme, 0, 13)
    mixed = [*lines_of(pack)[:1], lines_of(whole)[1], *lines_of(pack)[2:]]
    assert verdict(log, with_lines(log, pack, mixed)) == "details_foreign"


def test_a_header_dropped_from_a_handover_pack_is_missed(team):
    log, pack, _ = team
    lines = lines_of(pack)
    proof = proof_of(pack)
    told = {"leaves": 12, "k_to": 12, "handover": proof["handover"] | {"left_out": 3}}
    assert verdict(log, with_lines(log, pack, [lines[0], *lines[2:]], **told)) == "event_missing"
    assert verdict(log, with_lines(log, pack, lines, handover=None)) == "details_missing"
