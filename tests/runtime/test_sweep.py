"""What `make sweep` searches with: a check that cannot fail proves nothing, so each place gets a secret to be found."""

import base64
import gzip
import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis

from msplex.runtime.sweep import _report, _tracebacks, places
from msplex.runtime.sweep.doors import Answers
from msplex.runtime.sweep.needles import Needles, Place
from msplex.runtime.sweep.vendors import VENDORS, Vendor, canary
from tests.conftest import role_url
from tests.processes import stub_of

SECRET = canary(VENDORS[0])
NEEDLES, NOTHING = Needles.of({"it": SECRET}), Needles.of({"other": "something-else-entirely"})


def _zipped(data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.jsonl.gz", gzip.compress(data))
    return made.getvalue()


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper": lambda secret: secret.upper().encode(),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "base64_inside": lambda secret: base64.b64encode(f"user:{secret}:x".encode()),
    "base64_one_more": lambda secret: base64.urlsafe_b64encode(f"x{secret}".encode()),
    "base64_broken": lambda secret: base64.encodebytes(f"{'x' * 50}{secret}".encode()),
    "hex": lambda secret: secret.encode().hex().encode(),
    "hex_colons": lambda secret: secret.encode().hex(":").upper().encode(),
    "url": lambda secret: quote(secret, safe="").encode(),
    "percent": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()).encode(),
    "json": lambda secret: json.dumps({"a": secret}).encode(),
    "json_in_json": lambda secret: json.dumps(json.dumps({"a": secret})).encode(),
    "reversed": lambda secret: secret[::-1].encode(),
    "gzip": lambda secret: gzip.compress(secret.encode()),
    "zip": lambda secret: _zipped(secret.encode()),
    "pdf": lambda secret: b"%PDF-1.7 1 0 obj stream\n" + zlib.compress(secret.encode()) + b"\nendstream",
}


def found(pieces: places.Pieces) -> tuple[int, list[str]]:
    place = Place().look(pieces, NEEDLES, NOTHING)
    return sum(place.secrets.values()), place.where


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_found_and_no_other_secret_is(spelling: str) -> None:
    data = SPELLINGS[spelling](SECRET)
    packed = spelling in {"gzip", "zip", "pdf"}

    assert NEEDLES.found(data if packed else b"before" + data + b"after")["it"] >= 1
    assert NEEDLES.found(SPELLINGS[spelling](canary(VENDORS[0]))) == {}


@pytest.mark.parametrize("beginning", [b"\x1f\x8b", b"\x1f\x8b\x08", b"PK\x03\x04", b"%PDF-1.7 stream\n"])
def test_bytes_that_only_begin_like_an_archive_are_searched_as_they_are(beginning: bytes) -> None:
    """Digests and signatures are any bytes at all."""
    assert NEEDLES.found(beginning + bytes(range(256))) == {}
    assert NEEDLES.found(beginning + SECRET.encode()) != {}


def test_of_an_archive_that_was_cut_off_what_can_be_read_is_searched() -> None:
    packed = gzip.compress(SECRET.encode() + os.urandom(100_000))

    assert NEEDLES.found(packed[:-1000]) != {}


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("column", ["words", "doc", "raw"])
@pytest.mark.parametrize("spelling", ["plain", "base64_inside", "hex", "zip"])
def test_it_is_found_in_a_table_of_any_kind_of_column(column: str, spelling: str) -> None:
    data = SPELLINGS[spelling](SECRET)
    if column != "raw" and spelling == "zip":
        pytest.skip("a zip is no text")
    value = {"words": data.decode("latin-1"), "doc": json.dumps({"deep": [data.decode("latin-1")]}), "raw": data}
    database = os.environ["MSPLEX_TEST_DATABASE"]
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], dbname=database, autocommit=True) as server:
        server.execute("CREATE TABLE public.swept (words text, doc jsonb, raw bytea)")
        try:
            server.execute(f"INSERT INTO public.swept ({column}) VALUES (%s)".encode(), [value[column]])
            count, where = found(places.tables(os.environ["MSPLEX_ADMIN_DATABASE_URL"], database))
        finally:
            server.execute("DROP TABLE public.swept")

    assert count >= 1
    assert all(name.startswith("public.swept") for name in where)


@pytest.mark.usefixtures("_database")
def test_rows_that_a_policy_hides_are_searched_too() -> None:
    """As the administrator: what no role of the application sees is there all the same."""
    database, admin = os.environ["MSPLEX_TEST_DATABASE"], os.environ["MSPLEX_ADMIN_DATABASE_URL"]
    with psycopg.connect(admin, dbname=database, autocommit=True) as server:
        server.execute("CREATE TABLE public.swept (words text)")
        try:
            server.execute("ALTER TABLE public.swept ENABLE ROW LEVEL SECURITY")
            server.execute("ALTER TABLE public.swept FORCE ROW LEVEL SECURITY")
            server.execute("INSERT INTO public.swept VALUES (%s)", [SECRET])
            assert found(places.tables(admin, database))[0] >= 1
        finally:
            server.execute("DROP TABLE public.swept")


FILL: dict[str, Callable[[redis.Redis], object]] = {
    "string": lambda queue: queue.set("swept", SECRET),
    "key": lambda queue: queue.set(f"swept {SECRET}", ""),
    "list": lambda queue: queue.rpush("swept", "a", base64.b64encode(SECRET.encode())),
    "set": lambda queue: queue.sadd("swept", SECRET),
    "hash": lambda queue: queue.hset("swept", "field", SECRET),
    "zset": lambda queue: queue.zadd("swept", {SECRET: 1}),
    "stream": lambda queue: queue.xadd("swept", {"body": json.dumps({"a": SECRET})}),
}


@pytest.mark.parametrize("kind", FILL)
def test_it_is_found_in_the_queue_and_in_what_was_only_under_way_there(kind: str) -> None:
    url = os.environ["REDIS_URL"]
    with redis.Redis.from_url(url) as queue:
        with places.Overheard(url) as overheard:
            FILL[kind](queue)
            there = found(places.cache(url))
            queue.delete("swept", f"swept {SECRET}")
            queue.ping()
        gone = found(places.cache(url))

    assert there[0] >= 1
    assert gone == (0, [])
    assert found(overheard.pieces())[0] >= 1


def test_it_is_found_in_a_file_below_any_of_the_places(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near / "logs", far / "pg_wal"):
        folder.mkdir(parents=True)
        (folder / "one").write_bytes(b"\0\1" + SECRET.encode() + b"\2")
    (near / "link").symlink_to(far / "pg_wal" / "one")

    assert found(places.files(near, far, tmp_path))[1] == ["logs/one", "pg_wal/one"]  # each once


@pytest.mark.parametrize("where", ["environ", "cmdline"])
def test_it_is_found_in_a_process_and_in_what_that_has_started(where: str) -> None:
    """A child of a child: servers have workers."""
    inner = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    argument = SECRET if where == "cmdline" else "nothing"
    code = f"import subprocess, sys; subprocess.run({[*inner, argument]!r})"
    environment = {"PATH": os.environ["PATH"]} | ({"A": SECRET} if where == "environ" else {})
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()
        count, names = found(places.processes(places.descendants({process.pid: "it"})))
    finally:
        for pid in places.descendants({process.pid: "it"}):
            os.kill(pid, 9)
        process.communicate()

    assert count >= 1
    assert f"it {where}" in names


def test_it_is_found_in_an_answer_its_headers_and_a_refusal() -> None:
    with stub_of("connectors.vendors.halopsa.stub") as url:
        answers = Answers()
        plain = urllib.request.Request(f"{url}/_stub/mode", json.dumps({"mode": SECRET}).encode())
        answers.fetch(plain)  # refused: 400
        answers.kept.append(("a page", f"<input value='{SECRET}'>".encode()))

    assert [name for name, _ in answers.kept] == [f"{url}/_stub/mode", f"{url}/_stub/mode headers", "a page"]
    assert found(iter(answers.kept)) == (1, ["a page"])


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.key)
def test_what_a_vendor_was_sent_is_kept_to_the_byte(vendor: Vendor) -> None:
    with stub_of(f"connectors.vendors.{vendor.key}.stub") as url:
        basic = base64.b64encode(f"company+key:{SECRET}".encode()).decode()
        request = urllib.request.Request(f"{url}/anything", f"client_secret={quote(SECRET)}".encode())
        request.add_header("Authorization", f"Basic {basic}")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=5)
        with urllib.request.urlopen(f"{url}/_stub/received", timeout=5) as answer:
            received = answer.read()

    assert NEEDLES.found(received)["it"] >= 2  # in the header and in the body


def test_a_traceback_is_told_from_what_else_a_process_says() -> None:
    said = "\n".join(
        f"portal   | {line}"
        for line in [
            "12:00 INFO all is well",
            "Traceback (most recent call last):",
            '  File "x.py", line 1, in f',
            f"ValueError: {SECRET}",
            "all is well again",
            "Fatal Python error: Aborted",
            "",
            "Thread 0x1 (most recent call first):",
            '  File "y.py", line 2 in g',
        ]
    )

    kept = _tracebacks(said)

    assert NEEDLES.found(kept) == {"it": 1}
    assert b"all is well" not in kept
    assert b"y.py" in kept


def _places(**changed: Place) -> dict[str, Place]:
    fine = Place().look([("fine", b"something-else-entirely")], NEEDLES, NOTHING)
    return {"tables": fine, "logs": fine, **changed}


def test_a_sweep_is_good_only_if_nothing_is_found_and_everything_was_looked_at() -> None:
    vendors = {"halopsa": 2}
    leak = Place().look([("log", f"something-else-entirely {SECRET}".encode())], NEEDLES, NOTHING)
    unseen = Place().look([("log", b"anything")], NEEDLES, NOTHING)

    good = _report(_places(), vendors, [])
    leaking = _report(_places(logs=leak), vendors, [])

    assert (good["ok"], good["leaked"], good["blind"]) == (True, {}, [])
    assert (leaking["ok"], leaking["leaked"]["logs"]["it"], leaking["leaked"]["logs"]["where"]) == (False, 1, ["log"])
    assert _report(_places(logs=unseen), vendors, [])["blind"] == ["logs"]
    assert _report(_places(logs=Place()), vendors, [])["blind"] == ["logs"]
    assert not _report(_places(), vendors, ["broker"])["ok"]
    assert not _report(_places(), {"halopsa": 0}, [])["ok"]


@pytest.mark.usefixtures("_database")
def test_no_role_of_the_application_may_be_the_one_that_searches() -> None:
    """Or a search of what it may not read would find nothing, and say so."""
    with pytest.raises(psycopg.Error):
        list(
            places.tables(
                role_url("msplex_app", os.environ["MSPLEX_TEST_DATABASE"]), os.environ["MSPLEX_TEST_DATABASE"]
            )
        )
