"""The command as a client runs it: alone, in another Python, on files that were or were not tampered with."""

import ast
import base64
import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.packs import format as fmt
from audit.tlog.note import VerifierKey
from tests.gateway.door import in_a_thread
from tests.packs.maker import VERIFIER, MemoryLog, pem_of, verify

OLDER_PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))


def zipped(tmp_path: Path, files: dict[str, bytes], name: str = "2026-04.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(fmt.zip_of(path.stem[:7], files))
    return path


def unpacked(tmp_path: Path, files: dict[str, bytes]) -> Path:
    folder = tmp_path / "2026-04"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("put", [zipped, unpacked])
def test_a_genuine_pack_is_authentic(log, acme, pubkey, tmp_path, put):
    answer = verify("verify-pack", "--pack", put(tmp_path, log.pack(acme, 9, 25)), "--pubkey", pubkey, expect=0)

    assert answer["facts"]["events"] == 6
    assert answer["facts"]["k_from"] == 3
    assert answer["facts"]["month"] == "2026-04"
    assert answer["facts"]["tenant"] == str(log.tenant)


@pytest.mark.parametrize(("start", "size"), [(0, 30), (0, 1), (0, 16), (16, 30), (1, 2), (29, 30), (30, 30), (12, 13)])
def test_any_stretch_of_the_log_can_be_packed(log, acme, pubkey, tmp_path, start, size):
    pack = zipped(tmp_path, log.pack(acme, start, size))

    verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0)


def test_a_pack_without_events_is_authentic(log, pubkey, tmp_path):
    pack = zipped(tmp_path, log.pack(uuid4(), 5, 30))

    assert verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0)["facts"]["events"] == 0


def test_a_pack_of_an_empty_log_is_authentic(acme, pubkey, tmp_path, log):
    empty = MemoryLog(log.tenant, log.key)

    verify("verify-pack", "--pack", zipped(tmp_path, empty.pack(acme, 0, 0)), "--pubkey", pubkey, expect=0)


@pytest.mark.parametrize("python", OLDER_PYTHONS, ids=lambda path: path.parts[-3])
def test_it_runs_on_pythons_from_3_8(log, acme, pubkey, tmp_path, python):
    if tuple(map(int, python.parts[-3].split(".")[:2])) < (3, 8):
        pytest.skip("older than what it promises")
    pack = zipped(tmp_path, log.pack(acme, 9, 25))

    verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0, python=str(python))


def test_the_summary_alone_is_checked_with_the_pack_s_signature_file(log, acme, pubkey, tmp_path):
    files = log.pack(acme, 9, 25)
    sig, pdf = tmp_path / "2026-04.sig", tmp_path / "handover-acme-2026-04.pdf"
    sig.write_bytes(fmt.signature_file(files[fmt.SUMS], files[fmt.SUMS_SIGNATURE], log.vkey))
    pdf.write_bytes(files["2026-04.pdf"])

    answer = verify("verify-pack", "--pack", pdf, "--sig", sig, "--pubkey", pubkey, expect=0)
    assert answer["facts"]["file"] == "2026-04.pdf"
    pdf.write_bytes(files["2026-04.pdf"] + b"\n")
    assert verify("verify-pack", "--pack", pdf, "--sig", sig, "--pubkey", pubkey, expect=1)
    pdf.write_bytes(files["2026-04.pdf"])
    sig.write_bytes(sig.read_bytes().replace(b"proof.json", b"poorf.json"))
    assert verify("verify-pack", "--pack", pdf, "--sig", sig, "--pubkey", pubkey, expect=1)


@pytest.mark.parametrize("form", ["raw", "note"])
def test_the_signature_may_be_given_beside_the_pack(log, acme, pubkey, tmp_path, form):
    files = log.pack(acme, 9, 25)
    raw = files.pop(fmt.SUMS_SIGNATURE)
    sig = tmp_path / "sig"
    sig.write_bytes(raw if form == "raw" else fmt.signature_file(files[fmt.SUMS], raw, log.vkey))
    pack = zipped(tmp_path, files)

    verify("verify-pack", "--pack", pack, "--sig", sig, "--pubkey", pubkey, expect=0)
    assert verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=1)["problem"]["code"] == "signature_missing"


def test_a_signature_of_another_pack_is_refused(log, acme, pubkey, tmp_path):
    other = log.pack(acme, 0, 25)
    sig = tmp_path / "sig"
    sig.write_bytes(other[fmt.SUMS_SIGNATURE])

    answer = verify(
        "verify-pack", "--pack", zipped(tmp_path, log.pack(acme, 9, 25)), "--sig", sig, "--pubkey", pubkey, expect=1
    )
    assert answer["problem"]["code"] == "signature_wrong"


def key_page(*keys: tuple[VerifierKey, str | None, str | None]) -> str:
    listed = [{"vkey": str(vkey), "valid_from": since, "valid_until": until} for vkey, since, until in keys]
    return json.dumps({"keys": listed})


def test_keys_come_as_pem_as_verifier_key_and_as_the_key_page(log, acme, tmp_path):
    pack = zipped(tmp_path, log.pack(acme, 9, 25))
    other = VerifierKey("x.example", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    several = {
        "pem": pem_of(Ed25519PrivateKey.generate()) + pem_of(log.key),
        "vkeys": f"# ours\n{other}\n{log.vkey}\n",
        "page": key_page((other, None, "2026-01-01T00:00:00+00:00"), (log.vkey, "2026-01-01T00:00:00Z", None)),
    }
    for name, text in several.items():
        (tmp_path / name).write_text(text)
        verify("verify-pack", "--pack", pack, "--pubkey", tmp_path / name, expect=0)


def test_a_key_is_believed_only_for_its_time(log, acme, tmp_path):
    pack, page = zipped(tmp_path, log.pack(acme, 9, 25)), tmp_path / "page"
    page.write_text(key_page((log.vkey, None, "2026-04-30T00:00:00+00:00")))
    assert verify("verify-pack", "--pack", pack, "--pubkey", page, expect=1)["problem"]["code"] == "key_out_of_time"
    page.write_text(key_page((log.vkey, None, "2026-05-02T00:00:00+00:00")))
    verify("verify-pack", "--pack", pack, "--pubkey", page, expect=0)


def test_a_checkpoint_signed_by_both_keys_of_a_hand_over_is_accepted_with_either(log, acme, tmp_path):
    new = Ed25519PrivateKey.generate()
    files = log.pack(acme, 9, 25) | {"checkpoint": log.note(25, new)}
    pack = zipped(tmp_path, log.seal(files))
    (tmp_path / "old").write_text(pem_of(log.key))
    (tmp_path / "both").write_text(pem_of(log.key) + pem_of(new))

    verify("verify-pack", "--pack", pack, "--pubkey", tmp_path / "old", expect=0)
    verify("verify-pack", "--pack", pack, "--pubkey", tmp_path / "both", expect=0)
    files["checkpoint"] = files["checkpoint"][:-20] + b"AAAAAAAAAAAAAAAAAA=\n"
    broken = zipped(tmp_path, log.seal(files))
    assert verify("verify-pack", "--pack", broken, "--pubkey", tmp_path / "both", expect=1)


def test_what_was_expected_is_compared(log, acme, pubkey, tmp_path):
    pack = zipped(tmp_path, log.pack(acme, 9, 25))
    right = ["--month", "2026-04", "--customer", acme, "--tenant", log.tenant]

    verify("verify-pack", "--pack", pack, "--pubkey", pubkey, *right, expect=0)
    for option, value in [("month", "2026-03"), ("customer", uuid4()), ("tenant", uuid4())]:
        answer = verify("verify-pack", "--pack", pack, "--pubkey", pubkey, f"--{option}", value, expect=1)
        assert answer["problem"]["code"] == f"{option}_other"


def test_two_packs_in_a_row_leave_nothing_out(log, acme, pubkey, tmp_path):
    march = zipped(tmp_path, log.pack(acme, 0, 12, month="2026-03"), "2026-03.zip")
    april = zipped(tmp_path, log.pack(acme, 12, 30))
    gap = zipped(tmp_path, log.pack(acme, 15, 30), "2026-04-gap.zip")

    verify("verify-pack", "--pack", april, "--previous", march, "--pubkey", pubkey, expect=0)
    answer = verify("verify-pack", "--pack", gap, "--previous", march, "--pubkey", pubkey, expect=1)
    assert answer["problem"]["code"] == "sequence_broken"


def test_an_event_dropped_at_the_end_of_a_pack_shows_in_the_next(log, acme, pubkey, tmp_path):
    """Cut short by whoever holds the signing key: the pack alone cannot tell, the two together do."""
    whole = [entry for whose, entry in log.entries[:12] if whose == acme]
    short = zipped(tmp_path, log.pack(acme, 0, 12, month="2026-03", entries=whole[:-1]), "2026-03.zip")
    april = zipped(tmp_path, log.pack(acme, 12, 30))

    verify("verify-pack", "--pack", short, "--pubkey", pubkey, expect=0)
    answer = verify("verify-pack", "--pack", april, "--previous", short, "--pubkey", pubkey, expect=1)
    assert answer["problem"]["code"] == "event_missing"


def test_late_events_are_told_apart(log, acme, pubkey, tmp_path):
    log.add(acme, at="2026-03-31T23:59:59.000000+00:00")
    log.add(acme, at="2026-05-01T00:01:00.000000+00:00")
    pack = zipped(tmp_path, log.pack(acme, 9, 32))

    facts = verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0)["facts"]
    assert (facts["in_month"], facts["earlier"], facts["later"]) == (7, 1, 1)


def test_erased_details_do_not_break_the_proof(log, acme, pubkey, tmp_path):
    entries = [entry for whose, entry in log.entries[9:25] if whose == acme]
    erased = fmt.Entry(entries[1].index, entries[1].k, entries[1].header, None)
    pack = zipped(tmp_path, log.pack(acme, 9, 25, entries=[entries[0], erased, *entries[2:]]))

    assert verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0)["facts"]["erased"] == 1


def test_one_event_is_checked_with_its_proof(log, acme, pubkey, tmp_path):
    event, proof = tmp_path / "event.json", tmp_path / "event.proof"
    for index in (0, 7, 29):
        event.write_bytes(log.entries[index][1].line())
        proof.write_bytes(log.proof(index))
        verify("verify-event", "--event", event, "--proof", proof, "--pubkey", pubkey, expect=0)
    event.write_bytes(log.entries[28][1].line())
    assert verify("verify-event", "--event", event, "--proof", proof, "--pubkey", pubkey, expect=1)
    forged = log.entries[29][1].line().replace(b'\\"result\\":\\"ok\\"', b'\\"result\\":\\"no\\"')
    event.write_bytes(forged)
    answer = verify("verify-event", "--event", event, "--proof", proof, "--pubkey", pubkey, expect=1)
    assert answer["problem"]["code"] == "event_forged"


def test_one_event_is_checked_as_the_api_gives_it(log, pubkey, tmp_path):
    entry, event, proof = log.entries[7][1], tmp_path / "event.json", tmp_path / "inclusion.json"
    event.write_text(json.dumps({"id": "x", "header": entry.header.decode(), "body": entry.body.decode()}))
    proof.write_text(json.dumps({"epoch": 1, "index": 7, "k": entry.k, "proof": log.proof(7).decode()}))

    verify("verify-event", "--event", event, "--proof", proof, "--pubkey", pubkey, expect=0)
    proof.write_text(json.dumps({"epoch": 1, "index": 7, "k": entry.k + 1, "proof": log.proof(7).decode()}))
    assert verify("verify-event", "--event", event, "--proof", proof, "--pubkey", pubkey, expect=1)


def test_growth_is_checked(log, pubkey, tmp_path):
    old, new, proof = (tmp_path / name for name in ("old", "new", "proof"))
    options = ["verify-consistency", "--old", old, "--new", new, "--proof", proof, "--pubkey", pubkey]
    new.write_bytes(log.note(30))
    for size in (0, 1, 7, 16, 29, 30):
        old.write_bytes(log.note(size))
        proof.write_bytes(log.growth(size, 30))
        verify(*options, expect=0)
    old.write_bytes(log.note(7))
    hashes = [base64.b64encode(b"x" * 32).decode(), *log.growth(7, 30).decode().split()[1:]]
    proof.write_text("\n".join(hashes))
    assert verify(*options, expect=1)["problem"]["code"] == "log_rewritten"
    old.write_bytes(log.note(30))
    new.write_bytes(log.note(7))
    assert verify(*options, expect=1)["problem"]["code"] == "checkpoint_replayed"


def test_what_cannot_be_read_is_not_called_forged(log, acme, pubkey, tmp_path):
    pack = zipped(tmp_path, log.pack(acme, 9, 25))
    (tmp_path / "nokey").write_text("hello")

    verify("verify-pack", "--pack", tmp_path / "nowhere.zip", "--pubkey", pubkey, expect=2)
    verify("verify-pack", "--pack", pack, "--pubkey", tmp_path / "nowhere", expect=2)
    verify("verify-pack", "--pack", pack, "--pubkey", tmp_path / "nokey", expect=2)
    verify("verify-pack", "--pack", pack, "--pubkey", "https://example.com/log.pub", expect=2)
    verify("verify-pack", "--pack", pubkey, "--pubkey", pubkey, expect=2)


def test_it_speaks_to_people(log, acme, pubkey, tmp_path):
    pack = zipped(tmp_path, log.pack(acme, 9, 25))
    command = [sys.executable, "-I", VERIFIER, "verify-pack", "--pack", pack, "--pubkey", pubkey]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONIOENCODING": "ascii"}).stdout

    assert told.startswith("AUTHENTIC. This is the audit pack of 2026-04")
    assert "none between them is missing" in told


def test_it_needs_nothing_but_the_standard_library():
    tree = in_a_thread(ast.parse, VERIFIER.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert modules - set(sys.stdlib_module_names) == set()
    assert modules & {"socket", "urllib", "http", "ssl", "subprocess"} == set()


def test_interim_packs_say_so(log, acme, pubkey, tmp_path):
    pack = zipped(tmp_path, log.pack(acme, 9, 25, interim=True))

    assert verify("verify-pack", "--pack", pack, "--pubkey", pubkey, expect=0)["facts"]["interim"] is True


def test_litter_of_file_managers_is_no_reason_to_refuse_a_folder(log, acme, pubkey, tmp_path):
    folder = unpacked(tmp_path, log.pack(acme, 9, 25))
    (folder / ".DS_Store").write_bytes(b"x")

    verify("verify-pack", "--pack", folder, "--pubkey", pubkey, expect=0)
    (folder / "invoice.pdf").write_bytes(b"x")
    assert verify("verify-pack", "--pack", folder, "--pubkey", pubkey, expect=1)["problem"]["code"] == "file_unsigned"


def test_a_link_in_a_folder_is_not_followed(log, acme, pubkey, tmp_path):
    folder = unpacked(tmp_path, log.pack(acme, 9, 25))
    (folder / "keys.json").unlink()
    (folder / "keys.json").symlink_to(pubkey)

    assert verify("verify-pack", "--pack", folder, "--pubkey", pubkey, expect=1)["problem"]["code"] == "file_unsigned"
