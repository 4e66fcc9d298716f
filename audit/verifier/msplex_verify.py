#!/usr/bin/env python3
"""Check what MSPlex has signed, alone: audit packs, single events, the growth of the log; and witness it.

    python3 msplex_verify.py verify-pack --pack 2026-04.zip --pubkey log.pub
    python3 msplex_verify.py verify-pack --pack 2026-04.pdf --sig 2026-04.sig --pubkey log.pub
    python3 msplex_verify.py verify-event --event event.json --proof event.proof --pubkey log.pub
    python3 msplex_verify.py verify-consistency --old old.checkpoint --new new.checkpoint --proof proof --pubkey log.pub
    python3 msplex_verify.py witness --pack 2026-04.zip --pubkey log.pub --state acme.state --key acme.key \\
        --name acme.example --out acme.cosigned

One file, the standard library of Python 3.8 or newer, no network, no database, nothing of MSPlex.
Keep the public key (--pubkey) from a day when you trusted its source; a key that comes with a pack proves nothing.

Exit codes: 0 it is authentic; 1 it is not, or it says itself that an approval did not hold; 2 it could not be checked
(a file is missing, an option is wrong).
Formats: RFC 6962 (tree), RFC 8032 (Ed25519), c2sp.org signed-note, tlog-checkpoint, tlog-proof, tlog-cosignature.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import secrets
import struct
import sys
import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, Iterable, Iterator, List, NoReturn, Sequence, Tuple

VERSION = "1"
OK, NOT_AUTHENTIC, UNREADABLE = 0, 1, 2
MOST_FILE = 2 << 30
MOST_LINE = 4 << 20
MOST_NOTE = 1_000_000
MOST_FILES = 16
ZIP_HEAD, CHECKPOINT_LINES = 30, 3
HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES, KEY_ID_BYTES = 32, 32, 64, 4
LOG_KEY, WITNESS_KEY = b"\x01", b"\x04"
ENTRY_LABEL, BODY_LABEL = b"msplex/entry/v1\0", b"msplex/body/v1\0"
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ORIGIN = re.compile(r"[^\s+]+/audit/(?P<tenant>[0-9a-f-]{36})/e(?P<epoch>0|[1-9][0-9]{0,8})")
SUMS_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})")
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # what file managers leave in a folder by themselves


class NotAuthentic(Exception):
    """What was signed is not what is here. `code` is for scripts, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class NotSound(NotAuthentic):
    """It is what was signed, and it says of itself that a rule was broken."""


class Unreadable(Exception):
    """Nothing was proven either way: a file is missing, or an option does not fit."""


# Ed25519 (RFC 8032). Slow and plain: a pack has a handful of signatures. The signing half is for the witness's own key;
# it is not hardened against someone who measures time on the same machine.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def point_add(a: Point, b: Point) -> Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return x * y % P, z * t % P, y * z % P, x * t % P


def point_multiply(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_encode(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(raw: bytes) -> Point | None:
    """None unless it is the one encoding of a point of the curve."""
    number = int.from_bytes(raw, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE_Y = 4 * pow(5, P - 2, P) % P
_base = point_decode(BASE_Y.to_bytes(32, "little"))
assert _base is not None  # noqa: S101 - a constant of the curve
BASE: Point = _base


def _scalar(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def ed25519_verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Strict: canonical points, S below the order, no key of small order, and the equation without the cofactor."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    a, commitment = point_decode(public), point_decode(r)
    if s >= L or a is None or commitment is None or point_encode(point_multiply(8, a)) == point_encode(NEUTRAL):
        return False
    minus_a = (P - a[0], a[1], a[2], P - a[3])
    k = _scalar(r, public, message)
    return point_encode(point_add(point_multiply(s, BASE), point_multiply(k, minus_a))) == r


def _expanded(seed: bytes) -> Tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def ed25519_public(seed: bytes) -> bytes:
    return point_encode(point_multiply(_expanded(seed)[0], BASE))


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    scalar, prefix = _expanded(seed)
    public = point_encode(point_multiply(scalar, BASE))
    nonce = _scalar(prefix, message)
    r = point_encode(point_multiply(nonce, BASE))
    return r + ((nonce + _scalar(r, public, message) * scalar) % L).to_bytes(32, "little")


# ECDSA over P-256 with SHA-256 (FIPS 186-5), which most passkeys sign with. Only to verify.

Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Affine = Tuple[int, int]


def _p256_add(a: Affine | None, b: Affine | None) -> Affine | None:
    """None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % Q == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, Q) % Q
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, Q) % Q
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def _p256_multiply(scalar: int, point: Affine) -> Affine | None:
    result: Affine | None = None
    step: Affine | None = point
    while scalar:
        if scalar & 1:
            result = _p256_add(result, step)
        step = _p256_add(step, step)
        scalar >>= 1
    return result


def _der_pair(raw: bytes) -> Tuple[int, int] | None:
    """The two numbers of a signature, in the only form that DER has for them."""
    numbers, rest = [], raw[2:]
    if len(raw) < 8 or raw[0] != 0x30 or raw[1] != len(rest):  # noqa: PLR2004 - a sequence of that length
        return None
    for _ in range(2):
        if len(rest) < 3 or rest[0] != 0x02 or not 0 < rest[1] <= min(33, len(rest) - 2):  # noqa: PLR2004 - an integer
            return None
        number, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if number[0] & 0x80 or (len(number) > 1 and number[0] == 0 and not number[1] & 0x80):
            return None
        numbers.append(int.from_bytes(number, "big"))
    return None if rest else (numbers[0], numbers[1])


def p256_verify(public: Affine, signature: bytes, message: bytes) -> bool:
    x, y = public
    pair = _der_pair(signature)
    if pair is None or not (x < Q and y < Q) or (y * y - (x * x * x - 3 * x + B)) % Q:
        return False
    r, s = pair
    if not (0 < r < N and 0 < s < N):
        return False
    digest, inverse = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    point = _p256_add(_p256_multiply(digest * inverse % N, G), _p256_multiply(r * inverse % N, public))
    return point is not None and point[0] % N == r


# The tree (RFC 6962).


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def entry_of(k: int, header: bytes) -> bytes:
    """What a leaf of the log hashes: the event's number among its customer's events, and its header."""
    return ENTRY_LABEL + k.to_bytes(8, "big") + header


def batch_root(indexes: Sequence[int], leaves: Sequence[bytes], size: int, hashes: Sequence[bytes]) -> bytes | None:
    """The root to which many leaves lead at once. `indexes` ascend. None if the hashes are too few or too many."""
    rest = iter(hashes)

    def root(low: int, high: int, start: int, end: int) -> bytes:
        if low == high:
            return next(rest)
        if end - start == 1:
            return leaves[low]
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        split = low
        if indexes[high - 1] < middle:
            split = high
        elif indexes[low] < middle:
            split = _first_not_below(indexes, middle, low, high)
        left = root(low, split, start, middle)
        return node_hash(left, root(split, high, middle, end))

    if size == 0:
        return hashlib.sha256(b"").digest() if not indexes and not hashes else None
    try:
        found = root(0, len(indexes), 0, size)
    except StopIteration:
        return None
    return found if next(rest, None) is None else None


def _first_not_below(indexes: Sequence[int], value: int, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if indexes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2: the tree of `old` leaves is the beginning of the one of `new`."""
    if old == new:
        return not proof and old_root == new_root
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == hashlib.sha256(b"").digest()
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, each)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# Keys and signed notes.


@dataclass(frozen=True)
class PublicKey:
    """`name` is empty where the key came without one: it then stands for any name. `until` is in UTC, or empty."""

    public: bytes
    name: str = ""
    until: str = ""

    def fits_line(self, name: str, key_id: bytes) -> bool:
        return self.name in {"", name} and key_id_of(name, LOG_KEY, self.public) == key_id

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.public).hexdigest()[:16]


def key_id_of(name: str, kind: bytes, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:KEY_ID_BYTES]


def decoded(text: str) -> bytes | None:
    """Base64 in its one spelling, or None."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


SPKI = bytes.fromhex("302a300506032b6570032100")
PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END PUBLIC KEY-----")


def read_keys(path: str) -> List[PublicKey]:
    """PEM, verifier keys (name+id+key, one a line), or the JSON of the installation's key page."""
    if "://" in path:
        raise Unreadable(
            "This program uses no network. Save the key from that address in a file first, and look where it came from."
        )
    text = read_file(path, MOST_NOTE, "the public key").decode("utf-8", "replace")
    keys = _keys_of_json(text) if text.lstrip().startswith("{") else [*_keys_of_pem(text), *_keys_of_lines(text)]
    if not keys:
        raise Unreadable(
            f"There is no Ed25519 public key in {path}. It should be PEM, a verifier key, or the key page's JSON."
        )
    return keys


def _keys_of_pem(text: str) -> Iterator[PublicKey]:
    for match in PEM.finditer(text):
        raw = decoded("".join(match[1].split())) or b""
        if raw.startswith(SPKI) and len(raw) == len(SPKI) + KEY_BYTES:
            yield PublicKey(raw[len(SPKI) :])


def _keys_of_lines(text: str) -> Iterator[PublicKey]:
    for line in text.split("\n"):
        key = _key_of_line(line.strip())
        if key:
            yield key


def _key_of_line(line: str) -> PublicKey | None:
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = decoded(encoded) or b""
    if raw[:1] != LOG_KEY or len(raw) != 1 + KEY_BYTES or key_id_of(name, LOG_KEY, raw[1:]).hex() != key_id:
        return None
    return PublicKey(raw[1:], name)


def _keys_of_json(text: str) -> List[PublicKey]:
    page = strict_json(text)
    listed = page.get("keys") if isinstance(page, dict) else None
    keys = []
    for each in listed if isinstance(listed, list) else []:
        if not isinstance(each, dict):
            continue
        key = _key_of_line(str(each.get("vkey", "")))
        if key:  # without its name: a page names a key once, and the log signs for many tenants with it
            keys.append(PublicKey(key.public, "", str(each.get("valid_until") or "")))
    return keys


@dataclass(frozen=True)
class Line:
    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True)
class Note:
    text: str
    lines: Tuple[Line, ...]
    raw: bytes


def parse_note(raw: bytes, what: str) -> Note:
    bad = NotAuthentic("note_malformed", f"{what} is damaged: it is not a signed text any more.")
    if len(raw) > MOST_NOTE:
        raise bad
    try:
        written = raw.decode()
    except UnicodeDecodeError:
        raise bad from None
    text, gap, signed = written.rpartition("\n\n")
    if not gap or not signed.endswith("\n") or any(each < " " and each != "\n" for each in written):
        raise bad
    lines = []
    for each in signed[:-1].split("\n"):
        dash, name, encoded = [*each.split(" "), "", "", ""][:3]
        value = decoded(encoded) or b""
        if (
            each != f"{dash} {name} {encoded}"
            or dash != "\u2014"
            or not name
            or "+" in name
            or len(value) <= KEY_ID_BYTES
        ):
            raise bad
        lines.append(Line(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:]))
    return Note(text + "\n", tuple(lines), raw)


def signers_of(note: Note, keys: Sequence[PublicKey], what: str) -> List[PublicKey]:
    """Which trusted keys signed it: at least one, and no signature that claims to be theirs may be wrong."""
    signers: List[PublicKey] = []
    for line in note.lines:
        for key in keys:
            if not key.fits_line(line.name, line.key_id):
                continue
            if not ed25519_verify(key.public, line.value, note.text.encode()):
                raise NotAuthentic(
                    "signature_wrong", f"The signature of {what} is wrong: it was changed after it was signed."
                )
            if key not in signers:
                signers.append(key)
    if not signers:
        raise NotAuthentic("key_unknown", f"{what[:1].upper()}{what[1:]} was not signed with the key you gave.")
    return signers


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    note: Note
    signers: Tuple[PublicKey, ...]

    @property
    def tenant(self) -> str:
        return self._part("tenant")

    @property
    def epoch(self) -> int:
        return int(self._part("epoch"))

    def _part(self, name: str) -> str:
        match = ORIGIN.fullmatch(self.origin)
        if match is None:
            raise NotAuthentic("origin_malformed", f"The checkpoint is of no MSPlex audit log, but of {self.origin}.")
        return match[name]


def read_checkpoint(raw: bytes, keys: Sequence[PublicKey], what: str = "the checkpoint") -> Checkpoint:
    note = parse_note(raw, what)
    lines = note.text[:-1].split("\n")
    root = decoded(lines[2]) if len(lines) >= CHECKPOINT_LINES else None
    if not root or len(root) != HASH_BYTES or not re.fullmatch(r"0|[1-9][0-9]{0,19}", lines[1]) or not all(lines):
        raise NotAuthentic("checkpoint_malformed", f"{what} is damaged: it does not state a size and a root.")
    checkpoint = Checkpoint(lines[0], int(lines[1]), root, note, tuple(signers_of(note, keys, what)))
    checkpoint.tenant  # noqa: B018 - raises for a foreign origin
    return checkpoint


# Reading, with bounds.


def read_file(path: str, most: int, what: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            content = handle.read(most + 1)
    except OSError as error:
        raise Unreadable(f"Cannot read {what} ({path}): {error.strerror}.") from None
    if len(content) > most:
        raise Unreadable(f"{path} is too large to be {what}.")
    return content


def _pairs(listed: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(listed)
    if len(found) != len(listed):
        raise ValueError("a name stands twice")
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError("no such number")


STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_refuse, parse_constant=_refuse)


def strict_json(text: str | bytes) -> Any:
    """JSON without duplicate keys, floats and constants. NotAuthentic for anything else."""
    try:
        return STRICT.decode(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        raise NotAuthentic("json_malformed", "A file of the pack is damaged: it cannot be read as JSON.") from None


def zip_of(files: Dict[str, bytes]) -> bytes:
    """The one zip MSPlex makes of these files: stored, sorted, without times. So no byte of a pack goes unchecked."""
    bodies, directory, offset = [], [], 0
    for name in sorted(files):
        content, label = files[name], name.encode()
        common = struct.pack(
            "<HHHHHIIIHH", 20, 0, 0, 0, 0x21, zlib.crc32(content), len(content), len(content), len(label), 0
        )
        bodies += [b"PK\x03\x04" + common + label, content]
        directory.append(
            b"PK\x01\x02" + struct.pack("<H", 0x314) + common
            + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, offset) + label
        )  # fmt: skip
        offset += ZIP_HEAD + len(label) + len(content)
    listing = b"".join(directory)
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(listing), offset, 0)
    return b"".join([*bodies, listing, b"PK\x05\x06", end])


def unzip(raw: bytes) -> Dict[str, bytes]:
    """The files of a pack's zip. It must be, byte for byte, the zip that MSPlex makes of them."""
    files: Dict[str, bytes] = {}
    offset = 0
    while raw[offset : offset + 4] == b"PK\x03\x04" and len(files) < MOST_FILES:
        head = raw[offset : offset + ZIP_HEAD]
        if len(head) < ZIP_HEAD:
            break
        size, name_size = struct.unpack("<I", head[22:26])[0], struct.unpack("<H", head[26:28])[0]
        start = offset + ZIP_HEAD + name_size
        label = raw[offset + ZIP_HEAD : start].decode("ascii", "replace")
        files[label] = raw[start : start + size]
        offset = start + size
    if not files or zip_of(files) != raw:
        raise NotAuthentic(
            "zip_changed",
            "The zip is not, byte for byte, one that MSPlex made: it is damaged, cut short, or was packed again."
            " If you packed it again yourself, give the unpacked folder instead.",
        )
    folders = {name.partition("/")[0] for name in files}
    if len(folders) != 1 or not all(re.fullmatch(r"[0-9-]{7}/[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in files):
        raise NotAuthentic("zip_names", "The zip has files where a pack has none.")
    return {name.partition("/")[2]: content for name, content in files.items()}


def read_folder(path: str) -> Dict[str, bytes]:
    files = {}
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise Unreadable(f"Cannot read the folder {path}: {error.strerror}.") from None
    for name in names:
        whole = os.path.join(path, name)
        if name in LITTER:
            continue
        if os.path.islink(whole) or not os.path.isfile(whole):
            raise NotAuthentic("file_unsigned", f"{name} is in the folder, and no pack has such a thing.")
        files[name] = read_file(whole, MOST_FILE, "a file of the pack")
    return files


def gunzip_lines(raw: bytes) -> Iterator[bytes]:
    """The lines of one gzip member, without ever holding more than a line too many. Nothing may follow it."""
    bad = NotAuthentic("gzip_damaged", "The list of events is damaged or cut short.")
    engine, held, at = zlib.decompressobj(31), b"", 0
    try:
        while not engine.eof:
            chunk = engine.unconsumed_tail or raw[at : at + 65536]
            if not engine.unconsumed_tail:
                at += 65536
            if not chunk:
                raise bad
            held += engine.decompress(chunk, 1 << 20)
            *lines, held = held.split(b"\n")
            if len(held) > MOST_LINE:
                raise bad
            yield from lines
    except zlib.error:
        raise bad from None
    if held or engine.unused_data or raw[at:]:
        raise bad


# Events.


@dataclass(frozen=True)
class Event:
    index: int
    k: int
    header: str
    body: str | None
    facts: Dict[str, Any]

    @property
    def leaf(self) -> bytes:
        return leaf_hash(entry_of(self.k, self.header.encode()))


def read_event(line: bytes) -> Event:
    """One line of a pack. Checks the event by itself: its header is sound and its body is the one it commits to."""
    bad = NotAuthentic("event_malformed", "An event is damaged: it is not in the form that MSPlex writes.")
    found = strict_json(line)
    if not isinstance(found, dict) or set(found) != {"index", "k", "header", "body"}:
        raise bad
    index, k, header, body = found["index"], found["k"], found["header"], found["body"]
    if (
        not _counts(index)
        or not _counts(k)
        or not isinstance(header, str)
        or not (body is None or isinstance(body, str))
    ):
        raise bad
    facts = strict_json(header)
    if not isinstance(facts, dict) or facts.get("v") != 1 or not UUID.fullmatch(str(facts.get("id"))):
        raise bad
    try:
        header.encode()
        commitment = body is not None and hashlib.sha256(BODY_LABEL + body.encode()).hexdigest()
    except UnicodeEncodeError:
        raise bad from None
    if commitment and commitment != facts.get("body_commit"):
        raise NotAuthentic(
            "body_changed", f"The details of event {facts['id']} were changed: its header says otherwise."
        )
    return Event(index, k, header, body, facts)


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


# Packs.


@dataclass
class Pack:
    """A checked pack, and what can be said about it."""

    proof: Dict[str, Any]
    checkpoint: Checkpoint
    previous: Checkpoint | None
    consistency: List[bytes]
    facts: Dict[str, Any] = field(default_factory=dict)


SENTENCES = {
    "sums_missing": "The pack has no SHA256SUMS: without it nothing of the pack is signed.",
    "sums_malformed": "SHA256SUMS is damaged.",
    "signature_missing": "The pack has no signature. Give it with --sig.",
    "signature_wrong": (
        "The signature does not fit: the pack was changed, or it was signed with another key than the one you gave."
    ),
}


def fail(code: str) -> NotAuthentic:
    return NotAuthentic(code, SENTENCES[code])


def read_sums(raw: bytes) -> Dict[str, str]:
    matches = [SUMS_LINE.fullmatch(line) for line in raw.decode("ascii", "replace").split("\n")[:-1]]
    sums = {match["name"]: match["digest"] for match in matches if match}
    written = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    if not sums or written != raw:
        raise fail("sums_malformed")
    return sums


def check_sums_signature(sums: bytes, signature: bytes, keys: Sequence[PublicKey]) -> List[PublicKey]:
    """`signature` is 64 bytes, or a signed note whose text is SHA256SUMS itself."""
    if len(signature) == SIGNATURE_BYTES:
        signers = [key for key in keys if ed25519_verify(key.public, signature, sums)]
        if not signers:
            raise fail("signature_wrong")
        return signers
    note = parse_note(signature, "the signature file")
    if note.text.encode() != sums:
        raise fail("signature_wrong")
    return signers_of(note, keys, "the list of files")


def check_files(files: Dict[str, bytes], sums: Dict[str, str]) -> None:
    for name in sorted(set(files) - set(sums)):
        raise NotAuthentic("file_unsigned", f"{name} is in the pack and is not signed: it was added later.")
    for name in sorted(set(sums) - set(files)):
        raise NotAuthentic("file_missing", f"{name} is missing from the pack.")
    for name, digest in sums.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise NotAuthentic("file_changed", f"{name} was changed after the pack was signed.")


def check_pack(files: Dict[str, bytes], signature: bytes | None, keys: Sequence[PublicKey]) -> Pack:
    """Everything of it, or NotAuthentic."""
    files = dict(files)
    sums, inner = files.pop("SHA256SUMS", None), files.pop("SHA256SUMS.sig", None)
    if sums is None:
        raise fail("sums_missing")
    if inner is None and signature is None:
        raise fail("signature_missing")
    signers = [check_sums_signature(sums, each, keys) for each in (inner, signature) if each is not None]
    check_files(files, read_sums(sums))
    proof = read_proof(files)
    checkpoint = read_checkpoint(files["checkpoint"], keys)
    previous = _previous(files, keys)
    check_place(proof, checkpoint, previous)
    for each in signers:
        check_time(proof, each)
    pack = Pack(proof, checkpoint, previous, hashes_of(proof["consistency"]))
    check_growth(pack)
    pack.facts = check_events(files[f"{proof['month']}.jsonl.gz"], pack)
    return pack


PROOF_SHAPE: Dict[str, Callable[[Any], bool]] = {
    "v": lambda value: value == 1 and _counts(value),
    "origin": lambda value: isinstance(value, str),
    "month": lambda value: isinstance(value, str) and bool(MONTH.fullmatch(value)),
    "customer": lambda value: isinstance(value, str) and bool(UUID.fullmatch(value)),
    "cut_at": lambda value: isinstance(value, str),
    "interim": lambda value: isinstance(value, bool),
    "from": _counts,
    "size": _counts,
    "leaves": _counts,
    "erased": _counts,
    "k_from": _counts,
    "k_to": _counts,
    "inclusion": lambda value: isinstance(value, list),
    "consistency": lambda value: isinstance(value, list),
    "handover": lambda value: value is None or isinstance(value, dict),
}


def read_proof(files: Dict[str, bytes]) -> Dict[str, Any]:
    proof = strict_json(files.get("proof.json", b"null"))
    if not isinstance(proof, dict) or set(proof) != set(PROOF_SHAPE):
        raise NotAuthentic("proof_malformed", "proof.json is not in the form that MSPlex writes.")
    for name, fits in PROOF_SHAPE.items():
        if not fits(proof[name]):
            raise NotAuthentic("proof_malformed", f"proof.json has no usable {name}.")
    month = proof["month"]
    wanted = {f"{month}.pdf", f"{month}.jsonl.gz", "checkpoint", "keys.json", "proof.json"}
    wanted |= {"previous.checkpoint"} if proof["from"] else set()
    if set(files) != wanted:
        raise NotAuthentic(
            "month_swapped", f"The pack says it is for {month}, and its files are not those of that month."
        )
    return proof


def _previous(files: Dict[str, bytes], keys: Sequence[PublicKey]) -> Checkpoint | None:
    raw = files.get("previous.checkpoint")
    return read_checkpoint(raw, keys, "the previous checkpoint") if raw is not None else None


def hashes_of(listed: Sequence[Any]) -> List[bytes]:
    hashes = [decoded(each) if isinstance(each, str) else None for each in listed]
    if not all(each is not None and len(each) == HASH_BYTES for each in hashes):
        raise NotAuthentic("proof_malformed", "The proof has hashes that are none.")
    return [each for each in hashes if each is not None]


def check_place(proof: Dict[str, Any], checkpoint: Checkpoint, previous: Checkpoint | None) -> None:
    """All parts speak of one log, and of the same stretch of it."""
    if proof["origin"] != checkpoint.origin or (previous and previous.origin != checkpoint.origin):
        raise NotAuthentic("log_mixed", "The parts of the pack are of different logs or epochs.")
    if proof["size"] != checkpoint.size or (previous.size if previous else 0) != proof["from"]:
        raise NotAuthentic("checkpoint_replayed", "The checkpoint in the pack is not the one the pack was made for.")


def check_time(proof: Dict[str, Any], signers: Iterable[PublicKey]) -> None:
    """A key that was replaced before the pack was cut cannot have signed it honestly."""
    cut = instant(proof["cut_at"])
    if all(key.until and instant(key.until) < cut for key in signers):
        raise NotAuthentic("key_out_of_time", f"The pack was cut on {proof['cut_at']}, when its key was not in use.")


INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|\+00:00)")


def instant(text: str) -> str:
    """UTC, in a form that sorts."""
    match = INSTANT.fullmatch(text)
    if match is None:
        raise NotAuthentic("time_malformed", f"{text[:40]} is not a time in UTC.")
    return f"{match[1]}.{(match[2] or '').ljust(6, '0')}"


def check_growth(pack: Pack) -> None:
    if not pack.previous:
        if pack.consistency:
            raise NotAuthentic("proof_malformed", "The pack proves growth from a checkpoint it does not have.")
        return
    old, new = pack.previous, pack.checkpoint
    if not consistent(old.size, old.root, new.size, new.root, pack.consistency):
        raise NotAuthentic(
            "log_rewritten", "The log was rewritten: what stood in it before this pack does not stand in it now."
        )


def check_events(raw: bytes, pack: Pack) -> Dict[str, Any]:
    """Every event belongs here, none is missing between the first and the last, and all are in the signed tree."""
    proof, tenant = pack.proof, pack.checkpoint.tenant
    indexes: List[int] = []
    leaves: List[bytes] = []
    counts = {"in_month": 0, "earlier": 0, "later": 0}
    kinds: Dict[str, int] = {}
    seen = set()
    team, approvals, reports = Team(proof["handover"]), Approvals(), Reports()
    for line in gunzip_lines(raw):
        event = read_event(line)
        _check_order(event, proof, indexes, len(leaves))
        _check_owner(event, tenant, proof["customer"])
        if event.facts["id"] in seen:
            raise NotAuthentic("event_twice", f"Event {event.facts['id']} is in the pack twice.")
        seen.add(event.facts["id"])
        team.check(event)
        approvals.take(event)
        reports.take(event)
        _count(event, proof["month"], counts, kinds)
        indexes.append(event.index)
        leaves.append(event.leaf)
    team.close(proof)
    if len(leaves) != proof["leaves"] or proof["k_to"] != proof["k_from"] + len(leaves):
        raise NotAuthentic("event_missing", "Events are missing at the end of the list.")
    if batch_root(indexes, leaves, pack.checkpoint.size, hashes_of(proof["inclusion"])) != pack.checkpoint.root:
        raise NotAuthentic(
            "event_forged", "The events are not those in the signed log: one was changed, added or left out."
        )
    approvals.close()
    reports.close()
    found = {"events": len(leaves), **counts, "kinds": kinds, "left_out": team.left_out, "erased": team.erased}
    return {**found, **approvals.counts, **reports.counts}


def _check_order(event: Event, proof: Dict[str, Any], indexes: List[int], position: int) -> None:
    if position >= proof["leaves"]:
        raise NotAuthentic("event_added", "There are more events in the list than the pack was made of.")
    if event.k != proof["k_from"] + position:
        raise NotAuthentic(
            "event_missing",
            "The numbers of the events have a gap or are out of order:"
            f" {event.k} stands where {proof['k_from'] + position} belongs.",
        )
    if not proof["from"] <= event.index < proof["size"] or (indexes and event.index <= indexes[-1]):
        raise NotAuthentic("event_misplaced", f"Event number {event.k} does not belong into this pack.")


def _check_owner(event: Event, tenant: str, customer: str) -> None:
    if event.facts.get("tenant") != tenant:
        raise NotAuthentic("tenant_foreign", f"Event {event.facts['id']} is of another tenant.")
    if event.facts.get("customer") != customer:
        raise NotAuthentic("customer_foreign", f"Event {event.facts['id']} is of another customer.")


def _count(event: Event, month: str, counts: Dict[str, int], kinds: Dict[str, int]) -> None:
    own = instant(str(event.facts.get("occurred_at")))[:7]
    counts["in_month" if own == month else "earlier" if own < month else "later"] += 1
    kind = str(event.facts.get("kind"))
    kinds[kind] = kinds.get(kind, 0) + 1


class Team:
    """In a handover pack: the details of the MSP's own team, all of them, and of nobody else."""

    def __init__(self, handover: Dict[str, Any] | None) -> None:
        self.everybody, self.left_out, self.erased = handover is None, 0, 0
        shape = {"domain": str, "actors": list, "left_out": int}
        if handover is not None and (
            set(handover) != set(shape) or not all(isinstance(handover[name], kind) for name, kind in shape.items())
        ):
            raise NotAuthentic("proof_malformed", "proof.json does not say how the pack was filtered.")
        self.actors = {each for each in (handover or {}).get("actors", []) if isinstance(each, str)}

    def check(self, event: Event) -> None:
        if self.everybody or self._acted(event):
            self.erased += event.body is None
        elif event.body is not None:
            raise NotAuthentic(
                "details_foreign", f"Event {event.facts['id']} has details, and its actor is not of the team."
            )
        else:
            self.left_out += 1

    def close(self, proof: Dict[str, Any]) -> None:
        if self.erased != proof["erased"] or self.left_out != (proof["handover"] or {"left_out": 0})["left_out"]:
            raise NotAuthentic("details_missing", "Details were left out that the pack should have.")

    def _acted(self, event: Event) -> bool:
        actor = event.facts.get("actor")
        actor = actor if isinstance(actor, dict) else {}
        behalf = actor.get("on_behalf_of")
        ids = [actor.get("id"), behalf.get("id") if isinstance(behalf, dict) else None]
        return any(isinstance(each, str) and each in self.actors for each in ids)


# Approvals: each is replayed from its own events.

ES256_KEY = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
EDDSA_KEY = re.compile(rb"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20(.{32})", re.DOTALL)
VOTE_LABEL = b"msplex/vote/v1"
SALT_BYTES = 16
PASSKEY = "passkey"


@dataclass
class Asked:
    """What the events of one request have said so far. `votes`: by person, in the order of the log."""

    digest: str
    decide_by: str
    signed: str  # what passkeys sign: of a decision about several customers, the digest of them all
    votes: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    reached: Dict[str, Any] = field(default_factory=dict)
    granted: bool = False


class Approvals:
    """That enough different people had agreed, in time and to this very action, before it was run, and ran once.

    What does not stand in the pack cannot be looked at: a request that began before it, and details that were left out.
    """

    def __init__(self) -> None:
        self.asked: Dict[str, Asked] = {}
        self.wrong: NotSound | None = None
        self.counts = {"approvals": 0, "approvals_elsewhere": 0, "votes": 0, "votes_signed": 0}

    def take(self, event: Event) -> None:
        kind, subject = str(event.facts.get("kind")), event.facts.get("subject")
        steps = {
            "approvals:request:create": self._create, "approvals:vote:approve": self._vote,
            "approvals:request:approve": self._reach, "approvals:grant:issue": self._grant,
        }  # fmt: skip
        if kind not in steps or not isinstance(subject, dict):
            return
        told = strict_json(event.body) if event.body is not None else {}
        try:
            steps[kind](str(subject.get("id")), event, told if isinstance(told, dict) else {})
        except NotSound as found:
            self.wrong = self.wrong or found

    def close(self) -> None:
        """Once it is known that the events are those of the signed log."""
        if self.wrong:
            raise self.wrong

    def _create(self, request: str, _: Event, told: Dict[str, Any]) -> None:
        if told:
            batch = told.get("batch")
            digest = str(told.get("digest"))
            signed = str(batch.get("digest")) if isinstance(batch, dict) else digest
            self.asked[request] = Asked(digest, str(told.get("decide_by")), signed)

    def _vote(self, request: str, event: Event, told: Dict[str, Any]) -> None:
        asked, actor = self.asked.get(request), event.facts.get("actor")
        person = str(actor.get("id")) if isinstance(actor, dict) else ""
        if asked is None or not told:
            return
        if person in asked.votes:
            raise unsound(request, "somebody has voted twice")
        if told.get("digest") != asked.digest:
            raise unsound(request, "a vote is for another action")
        if told.get("factor") == PASSKEY:
            self.counts["votes_signed"] += check_passkey(request, asked.signed, person, told.get("proof"))
        self.counts["votes"] += 1
        asked.votes[person] = told

    def _reach(self, request: str, _: Event, told: Dict[str, Any]) -> None:
        asked = self.asked.get(request)
        if asked is None or not told:
            self.counts["approvals_elsewhere"] += 1
            return
        asked.reached = told
        if told.get("digest") != asked.digest or told.get("decide_by") != asked.decide_by:
            raise unsound(request, "it was decided about another action, or by another time")
        check_quorum(request, asked, told)
        self.counts["approvals"] += 1

    def _grant(self, request: str, event: Event, told: Dict[str, Any]) -> None:
        asked = self.asked.get(request)
        if asked is None or not told:
            return
        if asked.granted:
            raise unsound(request, "it was run twice")
        if not asked.reached or told.get("digest") != asked.digest or told.get("nonce") != asked.reached.get("nonce"):
            raise unsound(request, "what was run is not what was approved")
        if late(str(event.facts.get("occurred_at")), str(asked.reached.get("execute_by"))):
            raise unsound(request, "it was run when the time was over")
        asked.granted = True


def unsound(request: str, why: str) -> NotSound:
    return NotSound("quorum_unsound", f"The approval of request {request} does not hold: {why}.")


def check_quorum(request: str, asked: Asked, told: Dict[str, Any]) -> None:
    quorum, votes = told.get("quorum"), told.get("votes")
    if not isinstance(quorum, dict) or not isinstance(votes, list) or not all(isinstance(vote, dict) for vote in votes):
        raise unsound(request, "it does not say who has agreed")
    people = [str(vote.get("approver")) for vote in votes]
    need, factors = quorum.get("need"), quorum.get("factors")
    if not isinstance(need, int) or not _counts(need) or not isinstance(factors, list):
        raise unsound(request, "it does not say how many were needed")
    if len(set(people)) != len(people) or not set(people) <= set(asked.votes):
        raise unsound(request, "it counts somebody who has not voted, or twice")
    if {str(told.get("requester")), str(told.get("answerable"))} & set(people):
        raise unsound(request, "who asked for it has voted")
    if len(people) < max(need, 1) or not stand_for(factors, votes):
        raise unsound(request, f"{len(people)} have agreed, and {need} were needed, or one with a role was missing")
    if any(late(str(when), asked.decide_by) for when in (told.get("approved_at"), *(vote.get("at") for vote in votes))):
        raise unsound(request, "it was approved when the time was over")


def late(when: str, limit: str) -> bool:
    """By more than the moment that lies between a look at the clock and the event that tells of it."""
    return datetime.fromisoformat(instant(when)) - datetime.fromisoformat(instant(limit)) > timedelta(minutes=1)


def stand_for(factors: Sequence[Any], votes: Sequence[Dict[str, Any]]) -> bool:
    """Whether each role is held by another one of those who voted."""
    if not factors:
        return True
    rest = list(factors[1:])
    return any(
        factors[0] in (vote.get("roles") or []) and stand_for(rest, [other for other in votes if other is not vote])
        for vote in votes
    )


def check_passkey(request: str, digest: str, person: str, proof: Any) -> int:
    """1 if the passkey's signature over this action and this person was checked; 0 if its kind is not known here."""
    try:
        client, data, key, signature = (
            unwebbed(proof[name]) for name in ("client_data", "authenticator_data", "public_key", "signature")
        )
        said = json.loads(client)  # as the browser wrote it, which may say more than we know of
        challenge = unwebbed(said["challenge"])
        whom = bytes.fromhex(person.replace("-", ""))
        salt = challenge[:SALT_BYTES]
        meant = salt + hashlib.sha256(VOTE_LABEL + bytes.fromhex(digest) + whom + salt).digest()
    except (KeyError, TypeError, ValueError):
        raise unsound(request, "a vote by passkey has no proof that can be read") from None
    if said.get("type") != "webauthn.get" or challenge != meant:
        raise unsound(request, "a passkey has signed something else")
    message = data + hashlib.sha256(client).digest()
    es256, eddsa = ES256_KEY.fullmatch(key), EDDSA_KEY.fullmatch(key)
    if not es256 and not eddsa:
        return 0
    if es256:
        good = p256_verify((int.from_bytes(es256[1], "big"), int.from_bytes(es256[2], "big")), signature, message)
    else:
        good = bool(eddsa) and ed25519_verify(eddsa[1] if eddsa else b"", signature, message)
    if not good:
        raise unsound(request, "the signature of a passkey does not fit")
    return 1


def unwebbed(text: Any) -> bytes:
    """base64url without padding (RFC 7515)."""
    if not isinstance(text, str):
        raise TypeError
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


# Reports of host agents: each is signed by the key with which its agent has enrolled.

REPORT, HELD_GRANT = "msplex-use+jwt", "msplex-grant+jwt"
PARTS = 3


class Reports:
    """That what a host says of a grant that it held is signed by its own key, and fits the grant that people agreed to.

    The key comes with the report, as a part of the event; it has to be the one of the enrolment and of the grant, where
    those stand in the pack.
    """

    def __init__(self) -> None:
        self.keys: Dict[str, str] = {}
        self.grants: Dict[str, Dict[str, Any]] = {}
        self.uses: Dict[Tuple[str, int, int], str] = {}
        self.wrong: NotSound | None = None
        self.counts = {"reports": 0, "reports_elsewhere": 0}

    def take(self, event: Event) -> None:
        kind = str(event.facts.get("kind"))
        steps = {
            "approvals:host_agent:enrol": self._enrol, "approvals:grant:issue": self._grant,
            "approvals:grant:use": self._use, "gateway:call:finish": self._call, "gateway:call:lose": self._call,
        }  # fmt: skip
        if kind not in steps or event.body is None or (kind[:8] == "gateway:" and '"evidence"' not in event.body):
            return
        told = strict_json(event.body)
        try:
            steps[kind](event, told if isinstance(told, dict) else {})
        except NotSound as found:
            self.wrong = self.wrong or found

    def close(self) -> None:
        """Once it is known that the events are those of the signed log."""
        if self.wrong:
            raise self.wrong

    def _enrol(self, event: Event, told: Dict[str, Any]) -> None:
        subject = event.facts.get("subject")
        agent, key = str(subject.get("id")) if isinstance(subject, dict) else "", str(told.get("key"))
        if thumbprint(key) != told.get("kid"):
            raise unreported(agent, "the key that it has enrolled with is not the one that is named")
        self.keys[agent] = key

    def _grant(self, _: Event, told: Dict[str, Any]) -> None:
        if "held" in told:
            claims = word_of(told.get("grant"), HELD_GRANT)[1]
            self.grants[str(claims.get("jti"))] = claims

    def _call(self, event: Event, told: Dict[str, Any]) -> None:
        if "evidence" not in told:
            return
        said = signed_by(told.get("agent_key"), told["evidence"], str(event.facts["id"]))
        if said.get("outcome") != told.get("state"):
            raise unreported(str(event.facts["id"]), "it says something else than the record of the call")

    def _use(self, event: Event, told: Dict[str, Any]) -> None:
        where, key = str(event.facts["id"]), str(told.get("agent_key"))
        said = signed_by(key, told.get("evidence"), where)
        grant, agent = str(said.get("grant")), str(said.get("agent"))
        self._once(where, (grant, said.get("number"), said.get("step", 1)), str(told.get("evidence")))
        if agent != told.get("agent") or (agent in self.keys and self.keys[agent] != key):
            raise unreported(where, "it is not signed by the key that the agent has enrolled with")
        if grant in self.grants and not told.get("finding"):
            check_use(where, self.grants[grant], said, thumbprint(key))
        self.counts["reports"] += 1
        self.counts["reports_elsewhere"] += agent not in self.keys or grant not in self.grants

    def _once(self, where: str, which: Tuple[str, Any, Any], evidence: str) -> None:
        grant, number, step = which
        if not isinstance(number, int) or not isinstance(step, int):
            raise unreported(where, "it does not say which use it is of")
        if (grant, number, step) in self.uses:
            raise unreported(where, "the same use is there twice")
        self.uses[grant, number, step] = evidence


def unreported(where: str, why: str) -> NotSound:
    return NotSound("report_unsound", f"The report of a host agent, event {where}, does not hold: {why}.")


def thumbprint(key: str) -> str:
    """RFC 7638, of an Ed25519 key in base64url."""
    digest = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{key}"}}'.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def word_of(token: Any, kind: str) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Header and claims of a JWS (RFC 7515) of this kind, not yet believed; both empty if it is none."""
    try:
        header, claims = (strict_json(unwebbed(part)) for part in str(token).split(".")[:2])
    except (NotAuthentic, TypeError, ValueError):
        return {}, {}
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return {}, {}
    return (header, claims) if (header.get("alg"), header.get("typ")) == ("EdDSA", kind) else ({}, {})


def signed_by(key: Any, token: Any, where: str) -> Dict[str, Any]:
    """What the agent's key has signed."""
    header, claims = word_of(token, REPORT)
    parts = str(token).split(".")
    try:
        public, signature = unwebbed(key), unwebbed(parts[-1])
    except (TypeError, ValueError):
        public = signature = b""
    if not claims or len(parts) != PARTS or header.get("kid") != thumbprint(str(key)):
        raise unreported(where, "it has no signature of the key that comes with it")
    if not ed25519_verify(public, signature, ".".join(parts[:2]).encode()):
        raise unreported(where, "the signature of the agent does not fit")
    return claims


def check_use(where: str, grant: Dict[str, Any], said: Dict[str, Any], key: str) -> None:
    """That it is of this grant, by its agent, within its window and number, and of a step that it has."""
    steps, step, at = grant.get("steps", [grant]), said.get("step", 1), said.get("claimed_at")
    same = all(said.get(name) == grant.get(name) for name in ("agent", "asset", "bound", "nonce", "tenant"))
    if not same or grant.get("agent_key") != key:
        raise unreported(where, "it is not of the grant that was issued to this agent")
    if not isinstance(steps, list) or not 1 <= step <= len(steps) or said.get("tool") != steps[step - 1].get("tool"):
        raise unreported(where, "it did what the grant does not say")
    if not 1 <= said["number"] <= int(grant.get("uses", 0)):
        raise unreported(where, "it was used more often than the grant allows")
    if not isinstance(at, int) or not int(grant.get("nbf", 0)) <= at < int(grant.get("exp", 0)):
        raise unreported(where, "it was used outside of its window, and that is not said")


# What is printed.


def sentences_of(pack: Pack) -> Iterator[str]:
    proof, facts = pack.proof, pack.facts
    yield f"AUTHENTIC. This is the audit pack of {proof['month']} for customer {proof['customer']},"
    yield f"  from the log {pack.checkpoint.origin}, cut on {proof['cut_at']}."
    if proof["interim"]:
        yield "  It is an interim pack: its month was not over when it was cut, and the final one will say more."
    yield (
        f"  {facts['events']} events, numbers {proof['k_from']} to {proof['k_to'] - 1}:"
        " none between them is missing, none was changed or added."
        if facts["events"]
        else "  It has no events: nothing was recorded for this customer in that time."
    )
    if facts["earlier"]:
        yield f"  {facts['earlier']} of them are late: they are of earlier months, and came after their pack was cut."
    if facts["later"]:
        yield f"  {facts['later']} of them happened after the month, before the pack was cut."
    if proof["handover"]:
        yield (
            f"  Details are shown for {proof['handover']['domain']} only; those of {facts['left_out']} events of others"
            " were left out. Their headers are all here."
        )
    if facts["approvals"]:
        yield (
            f"  {facts['approvals']} approvals were replayed: each had enough different people, in time, and ran at"
            f" most once. {facts['votes_signed']} of {facts['votes']} votes are signed by a passkey, as they should be."
        )
    if facts["approvals_elsewhere"]:
        yield (
            f"  {facts['approvals_elsewhere']} approvals could not be replayed: they were asked for earlier, or"
            " their details were left out."
        )
    if facts["reports"]:
        yield (
            f"  {facts['reports']} reports of host agents are signed by the agent's own key, and fit the grants."
            f" For {facts['reports_elsewhere']} of them the enrolment or the grant is in an earlier pack, or left out."
        )
    if facts["erased"]:
        yield f"  The details of {facts['erased']} events were erased; that they happened, and when, still stands."
    if pack.previous:
        yield "  The log has only grown since the pack before: nothing that stood in it then was altered."
    yield "  An event left out at the very end would show as a gap in the next pack: check that one with --previous."


def check_expectations(pack: Pack, options: argparse.Namespace) -> None:
    for name in ("month", "customer"):
        wanted = getattr(options, name)
        if wanted and pack.proof[name] != wanted:
            raise NotAuthentic(
                f"{name}_other", f"The pack is genuine, but for the {name} {pack.proof[name]}, not {wanted}."
            )
    if options.tenant and pack.checkpoint.tenant != options.tenant:
        raise NotAuthentic(
            "tenant_other", f"The pack is genuine, but of tenant {pack.checkpoint.tenant}, not {options.tenant}."
        )


def check_sequence(before: Pack, pack: Pack) -> None:
    """One pack follows the other: same log, same customer, and the numbers go on without a gap."""
    if before.checkpoint.origin != pack.checkpoint.origin or before.proof["customer"] != pack.proof["customer"]:
        raise NotAuthentic("sequence_other", "The previous pack is of another log, epoch or customer.")
    if before.proof["size"] != pack.proof["from"] or not pack.previous or pack.previous.root != before.checkpoint.root:
        raise NotAuthentic("sequence_broken", "The pack does not begin where the previous one ends.")
    if before.proof["k_to"] != pack.proof["k_from"]:
        raise NotAuthentic(
            "event_missing",
            f"Events were left out between the packs: numbers {before.proof['k_to']} to {pack.proof['k_from'] - 1}.",
        )


# The witness: it remembers the last checkpoint, and signs that it has seen the log only grow.


@dataclass(frozen=True)
class WitnessKey:
    name: str
    seed: bytes

    @property
    def public(self) -> bytes:
        return ed25519_public(self.seed)

    @property
    def vkey(self) -> str:
        encoded = base64.b64encode(WITNESS_KEY + self.public).decode()
        return f"{self.name}+{key_id_of(self.name, WITNESS_KEY, self.public).hex()}+{encoded}"

    def cosignature(self, note: Note, now: int) -> str:
        """A line of c2sp.org/tlog-cosignature."""
        signature = ed25519_sign(self.seed, f"cosignature/v1\ntime {now}\n{note.text}".encode())
        value = key_id_of(self.name, WITNESS_KEY, self.public) + struct.pack(">Q", now) + signature
        return f"\u2014 {self.name} {base64.b64encode(value).decode()}\n"


def witness_key(path: str, name: str | None) -> WitnessKey:
    """Read it, or make it if there is none yet."""
    if not os.path.exists(path):
        if not name or "+" in name or any(each.isspace() for each in name):
            raise Unreadable("A new witness key needs a name without spaces and plus signs: --name acme.example.")
        write_whole(path, f"PRIVATE+KEY+{name}+{secrets.token_hex(32)}\n".encode(), private=True)
    text = read_file(path, 4096, "the witness key").decode("utf-8", "replace").strip()
    match = re.fullmatch(r"PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{64})", text)
    if match is None:
        raise Unreadable(f"{path} is no witness key.")
    return WitnessKey(match[1], bytes.fromhex(match[2]))


def write_whole(path: str, content: bytes, *, private: bool = False) -> None:
    """All of it or nothing, also when the machine stops in between."""
    draft = f"{path}.{os.getpid()}.new"
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise Unreadable(f"Cannot write {path}: {error.strerror}.") from None


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Two witnesses at once must not both believe the old state."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unreadable(f"Cannot write {path}: {error.strerror}.") from None
    try:
        with contextlib.suppress(ImportError):
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_state(path: str, keys: Sequence[PublicKey]) -> Tuple[Checkpoint | None, Dict[str, int]]:
    """The last checkpoint, and for each customer the number that its next pack must begin with."""
    if not os.path.exists(path):
        return None, {}
    content = read_file(path, MOST_NOTE, "the witness's state")
    try:
        state = strict_json(content)
        reached = {str(customer): int(k) for customer, k in state["customers"].items()}
        return read_checkpoint(state["note"].encode(), keys, "the kept checkpoint"), reached
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unreadable(f"{path} is no state of a witness.") from None


def advance(
    kept: Checkpoint | None, new: Checkpoint, proofs: Sequence[Tuple[Checkpoint, Sequence[bytes]]], *, new_epoch: bool
) -> None:
    """NotAuthentic for a fork, a smaller tree, another log, or growth that is not proven by any of `proofs`."""
    if kept is None:
        return
    if kept.origin != new.origin:
        _check_epoch(kept, new, new_epoch=new_epoch)
        return
    if new.size < kept.size:
        raise NotAuthentic(
            "checkpoint_replayed",
            f"This checkpoint is older than the one you keep: {new.size} entries, and you have seen {kept.size}.",
        )
    if new.size == kept.size and new.root != kept.root:
        raise NotAuthentic(
            "log_forked",
            "The log was forked: two signed checkpoints of the same size differ."
            " Keep both files: together they prove it.",
        )
    if new.size == kept.size:
        return
    for old, hashes in proofs:
        if old.size == kept.size:
            if old.root != kept.root or not consistent(kept.size, kept.root, new.size, new.root, hashes):
                raise NotAuthentic(
                    "log_forked",
                    "The log was rewritten after the checkpoint you keep. Keep both files: together they prove it.",
                )
            return
    raise Unreadable(
        f"The proof that the log grew from {kept.size} to {new.size} entries is missing. Fetch it from the portal"
        " and give it with --proof,"
        " or witness the packs in between first."
    )


def _check_epoch(kept: Checkpoint, new: Checkpoint, *, new_epoch: bool) -> None:
    if kept.tenant != new.tenant or kept.origin.rpartition("/")[0] != new.origin.rpartition("/")[0]:
        raise NotAuthentic("log_other", f"This is another log: you keep {kept.origin}, this is {new.origin}.")
    if new.epoch < kept.epoch:
        raise NotAuthentic(
            "epoch_wrong", f"This is of an older epoch of the log: {new.epoch}, and you have seen {kept.epoch}."
        )
    if not new_epoch:
        raise NotAuthentic(
            "epoch_wrong",
            f"The log began anew (epoch {new.epoch}, you keep {kept.epoch}). That happens when a database was restored,"
            " and its first entry says why. If you were told and accept it, add --accept-new-epoch.",
        )


# The commands.


def load_pack(path: str, signature: str | None, keys: Sequence[PublicKey]) -> Pack:
    given = read_file(signature, MOST_NOTE, "the signature") if signature else None
    if os.path.isdir(path):
        return check_pack(read_folder(path), given, keys)
    return check_pack(unzip(read_file(path, MOST_FILE, "the pack")), given, keys)


def verify_pack(options: argparse.Namespace) -> Tuple[Dict[str, Any], List[str]]:
    keys = read_keys(options.pubkey)
    if not os.path.isdir(options.pack) and not _is_zip(options.pack):
        return verify_single(options, keys)
    pack = load_pack(options.pack, options.sig, keys)
    check_expectations(pack, options)
    if options.previous:
        check_sequence(load_pack(options.previous, None, keys), pack)
    facts = {name: value for name, value in pack.proof.items() if name not in {"inclusion", "consistency", "v"}}
    return {**facts, **pack.facts, "tenant": pack.checkpoint.tenant, "epoch": pack.checkpoint.epoch}, list(
        sentences_of(pack)
    )


def _is_zip(path: str) -> bool:
    return path.lower().endswith(".zip") or read_file(path, MOST_FILE, "the pack").startswith(b"PK\x03\x04")


def verify_single(options: argparse.Namespace, keys: Sequence[PublicKey]) -> Tuple[Dict[str, Any], List[str]]:
    """One file of a pack, such as the PDF, with the pack's .sig beside it."""
    content = read_file(options.pack, MOST_FILE, "the file")
    if not options.sig:
        raise Unreadable("A single file needs the pack's signature file: --sig 2026-04.sig.")
    raw = read_file(options.sig, MOST_NOTE, "the signature")
    if len(raw) == SIGNATURE_BYTES:
        raise Unreadable("These 64 bytes sign the list SHA256SUMS. Give the whole pack, or the pack's .sig file.")
    note = parse_note(raw, "the signature file")
    signers_of(note, keys, "the list of files")
    sums = read_sums(note.text.encode())
    digest = hashlib.sha256(content).hexdigest()
    names = [name for name, value in sums.items() if value == digest]
    if not names:
        raise NotAuthentic(
            "file_changed",
            "The file is not one of the pack's that this signature is for: it was changed, or it is of another pack.",
        )
    if options.month and not names[0].startswith(f"{options.month}."):
        raise NotAuthentic("month_other", f"The file is genuine, but it is {names[0]}, not of {options.month}.")
    sentences = [
        f"AUTHENTIC. This is {names[0]}, exactly as it was signed.",
        "  Only this file was checked. To check that its pack is complete as well, verify the whole pack.",
    ]
    return {"file": names[0], "sha256": digest}, sentences


def verify_event(options: argparse.Namespace) -> Tuple[Dict[str, Any], List[str]]:
    keys = read_keys(options.pubkey)
    raw, proof = _event_and_proof(
        read_file(options.event, MOST_LINE, "the event").strip(), read_file(options.proof, MOST_NOTE, "the proof")
    )
    event = read_event(raw)
    head, gap, signed = proof.partition(b"\n\n")
    version, *lines = head.decode("ascii", "replace").split("\n")
    if (
        version != "c2sp.org/tlog-proof@v1"
        or not gap
        or not lines
        or not re.fullmatch(r"index (0|[1-9][0-9]{0,19})", lines[0])
    ):
        raise NotAuthentic("proof_malformed", "The proof is damaged.")
    index, checkpoint = int(lines[0][6:]), read_checkpoint(signed, keys)
    if index != event.index or index >= checkpoint.size or event.facts.get("tenant") != checkpoint.tenant:
        raise NotAuthentic("event_misplaced", "The proof is for another event or another log.")
    if not included(event.leaf, index, checkpoint.size, hashes_of(lines[1:]), checkpoint.root):
        raise NotAuthentic("event_forged", "The event is not in the signed log: it or its proof was changed.")
    facts = {name: event.facts.get(name) for name in ("id", "kind", "occurred_at", "result", "tenant", "customer")}
    return {**facts, "index": index, "size": checkpoint.size}, [
        f"AUTHENTIC. Event {facts['id']} ({facts['kind']}, {facts['result']}) of {facts['occurred_at']}",
        f"  is entry {index} of {checkpoint.origin}, as signed at {checkpoint.size} entries.",
    ]


def _event_and_proof(event: bytes, proof: bytes) -> Tuple[bytes, bytes]:
    """As a pack and c2sp.org/tlog-proof have them; or as the API gives them, where the proof has the event's place."""
    if not proof.startswith(b"{"):
        return event, proof
    told, answer = strict_json(event), strict_json(proof)
    if not isinstance(told, dict) or not isinstance(answer.get("proof"), str):
        raise NotAuthentic("proof_malformed", "The proof is damaged.")
    line = {
        **{name: answer.get(name) for name in ("index", "k")},
        **{name: told.get(name) for name in ("header", "body")},
    }
    return json.dumps(line).encode(), answer["proof"].encode()


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    number, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            computed = node_hash(sibling, computed)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and computed == root


def read_growth(path: str) -> List[bytes]:
    """A consistency proof: hashes in base64, one a line; or JSON with a list of them in "hashes" or "consistency"."""
    text = read_file(path, MOST_NOTE, "the proof").decode("utf-8", "replace").strip()
    if text.startswith("{"):
        found = strict_json(text)
        return hashes_of(found.get("hashes") or found.get("consistency") or [])
    return hashes_of(text.split("\n") if text else [])


def verify_consistency(options: argparse.Namespace) -> Tuple[Dict[str, Any], List[str]]:
    keys = read_keys(options.pubkey)
    old = read_checkpoint(read_file(options.old, MOST_NOTE, "the old checkpoint"), keys, "the old checkpoint")
    new = read_checkpoint(read_file(options.new, MOST_NOTE, "the new checkpoint"), keys, "the new checkpoint")
    if old.origin != new.origin:
        raise NotAuthentic("log_mixed", f"They are of different logs or epochs: {old.origin} and {new.origin}.")
    if old.size > new.size:
        raise NotAuthentic(
            "checkpoint_replayed", f"The new checkpoint ({new.size} entries) is older than the old one ({old.size})."
        )
    if not consistent(old.size, old.root, new.size, new.root, read_growth(options.proof)):
        raise NotAuthentic(
            "log_rewritten", "The log was rewritten between the two checkpoints, or the proof is not theirs."
        )
    return {"origin": new.origin, "old": old.size, "new": new.size}, [
        f"CONSISTENT. {new.origin} grew from {old.size} to {new.size} entries, and nothing in it was altered."
    ]


def witness(options: argparse.Namespace) -> Tuple[Dict[str, Any], List[str]]:
    keys = read_keys(options.pubkey)
    pack = load_pack(options.pack, options.sig, keys) if options.pack else None
    if not pack and not options.checkpoint:
        raise Unreadable("What shall be witnessed? Give --pack or --checkpoint.")
    new = pack.checkpoint if pack else read_checkpoint(read_file(options.checkpoint, MOST_NOTE, "the checkpoint"), keys)
    with alone(f"{options.state}.lock"):
        kept, reached = read_state(options.state, keys)
        advance(kept, new, _proofs(kept, pack, options.proof), new_epoch=options.accept_new_epoch)
        if kept and kept.origin != new.origin:
            reached = {}
        if pack:
            _check_reached(reached, pack)
        key = witness_key(options.key, options.name)
        state = {"note": new.note.raw.decode(), "customers": reached}
        write_whole(options.state, json.dumps(state, indent=1, sort_keys=True).encode() + b"\n")
    signed = new.note.raw + key.cosignature(new.note, int(time.time())).encode()
    if options.out:
        write_whole(options.out, signed)
    seen = (
        "This is the first checkpoint kept here."
        if kept is None
        else f"It continues the one kept before ({kept.size} entries)."
    )
    sentences = [f"WITNESSED. {new.origin}, {new.size} entries. {seen}", f"  Your public witness key: {key.vkey}"]
    facts = {"origin": new.origin, "size": new.size, "witness": key.vkey, "cosigned": signed.decode()}
    return facts, sentences + ([f"  Hand in {options.out}."] if options.out else ["", signed.decode()])


def _proofs(kept: Checkpoint | None, pack: Pack | None, path: str | None) -> List[Tuple[Checkpoint, Sequence[bytes]]]:
    proofs: List[Tuple[Checkpoint, Sequence[bytes]]] = []
    if path and kept:
        proofs.append((kept, read_growth(path)))
    if pack and pack.previous:
        proofs.append((pack.previous, pack.consistency))
    return proofs


def _check_reached(reached: Dict[str, int], pack: Pack) -> None:
    customer, wanted = pack.proof["customer"], reached.get(pack.proof["customer"])
    if wanted is not None and pack.proof["k_from"] > wanted:
        raise NotAuthentic(
            "event_missing",
            "Events were left out before this pack:"
            f" it begins with number {pack.proof['k_from']}, and {wanted} is due.",
        )
    if not pack.proof["interim"]:
        reached[customer] = max(pack.proof["k_to"], wanted or 0)


COMMANDS: Dict[str, Tuple[Callable[..., Any], str, Dict[str, str], Dict[str, str]]] = {
    "verify-pack": (
        verify_pack,
        "check an audit pack, or one file of it",
        {"pack": "the zip, its unpacked folder, or one file of it"},
        {
            "sig": "the signature; a whole pack brings its own",
            "previous": "the pack of the month before: checks that nothing is missing between them",
            "month": "refuse any other month, such as 2026-04",
            "customer": "refuse any other customer's id",
            "tenant": "refuse any other tenant's id",
        },
    ),
    "verify-event": (
        verify_event,
        "check one event",
        {"event": "its line of a pack, or as the API gives it", "proof": "its inclusion proof"},
        {},
    ),
    "verify-consistency": (
        verify_consistency,
        "check that the log only grew",
        {"old": "the older checkpoint", "new": "the newer checkpoint", "proof": "the consistency proof"},
        {},
    ),
    "witness": (
        witness,
        "remember the last checkpoint, and cosign the new one",
        {"state": "where the last checkpoint is kept", "key": "your own key; made if missing"},
        {
            "pack": "a pack whose checkpoint is new",
            "sig": "its signature, if it is not in the pack",
            "checkpoint": "or a checkpoint by itself",
            "proof": "the consistency proof from the kept checkpoint, if the pack has it not",
            "name": "the name of a key that is made, such as acme.example",
            "out": "where the cosigned checkpoint goes; else it is printed",
        },
    ),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "msplex_verify.py", None, __doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (run, text, needed, optional) in COMMANDS.items():
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument(
            "--pubkey", required=True, help="the log's public key: PEM, verifier key, or the key page's JSON"
        )
        for option, note in {**needed, **optional}.items():
            made.add_argument(f"--{option}", required=option in needed, help=note)
        made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--accept-new-epoch", action="store_true", help="the log began anew, and you know why")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    answer: Dict[str, Any] = {"command": options.command}
    try:
        facts, sentences = options.run(options)
        code, more = OK, {"facts": facts}
    except NotSound as refusal:
        advice = (
            "  The events are those of the signed log. Ask whoever keeps it how this came to be, and keep this copy."
        )
        sentences = [f"NOT SOUND. {refusal}", advice]
        code, more = NOT_AUTHENTIC, {"problem": {"code": refusal.code, "sentence": str(refusal)}}
    except NotAuthentic as refusal:
        advice = "  Do not rely on it. Ask whoever gave it to you for the original, and keep this copy."
        sentences = [f"NOT AUTHENTIC. {refusal}", advice]
        code, more = NOT_AUTHENTIC, {"problem": {"code": refusal.code, "sentence": str(refusal)}}
    except Unreadable as trouble:
        sentences = [f"NOT CHECKED. {trouble}"]
        code, more = UNREADABLE, {"problem": {"code": "not_checked", "sentence": str(trouble)}}
    answer.update(more, ok=code == OK)
    text = json.dumps(answer, indent=1) if options.json else "\n".join(map(printable, sentences))
    print(text, file=sys.stdout if options.json or code == OK else sys.stderr)
    return code


def printable(text: str) -> str:
    """What was written by others must not steer the terminal, nor stop the program on an old one."""
    plain = "".join(each if (each >= " " and each != "\x7f") or each == "\n" else "?" for each in text)
    encoding = sys.stdout.encoding or "ascii"
    return plain.encode(encoding, "backslashreplace").decode(encoding)


if __name__ == "__main__":
    sys.exit(main())
