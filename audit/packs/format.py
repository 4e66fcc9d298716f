"""The bytes of a pack. Values in, values out; the same values always make the same bytes."""

import base64
import gzip
import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.canonical import canonical
from audit.entries import entry
from audit.tlog.note import Note, Signature, VerifierKey
from audit.tlog.tree import leaf_hash

SUMS, SUMS_SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
CHECKPOINT, PREVIOUS, PROOF, KEYS = "checkpoint", "previous.checkpoint", "proof.json", "keys.json"
_COMPRESSION = 6
_DOS_EPOCH = 0x21  # 1980-01-01, the first day a zip knows
_UNIX_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the customer, where it stands in the tree (`index`) and among the customer's events (`k`)."""

    index: int
    k: int
    header: bytes
    body: bytes | None

    @property
    def leaf(self) -> bytes:
        return leaf_hash(entry(self.k, self.header))

    def line(self, *, with_body: bool = True) -> bytes:
        body = self.body.decode() if self.body is not None and with_body else None
        written = {"index": self.index, "k": self.k, "header": self.header.decode(), "body": body}
        return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a pack covers: the leaves [start, size) of a tree, as far as they are the customer's."""

    origin: str
    month: str
    customer: UUID
    cut_at: datetime
    interim: bool
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Handover:
    """Details for one domain's people only: `actors` are the ids of those who act for it."""

    domain: str
    actors: frozenset[str]

    def includes(self, header: Mapping[str, Any]) -> bool:
        actor = header["actor"]
        behalf = actor.get("on_behalf_of") or {}
        return actor.get("id") in self.actors or behalf.get("id") in self.actors


@dataclass(slots=True)
class Lines:
    """The events as they go by: their compressed lines, and what the proof needs of them."""

    handover: Handover | None = None
    indexes: list[int] = field(default_factory=list)
    k_from: int = 0
    erased: int = 0
    left_out: int = 0
    _buffer: io.BytesIO = field(default_factory=io.BytesIO)
    _gzip: gzip.GzipFile = field(init=False)

    def __post_init__(self) -> None:
        self._gzip = gzip.GzipFile("", "wb", _COMPRESSION, self._buffer, mtime=0)

    def add(self, entry: Entry, header: Mapping[str, Any]) -> bool:
        """Whether its details are shown."""
        shown = self.handover is None or self.handover.includes(header)
        if not self.indexes:
            self.k_from = entry.k
        self.indexes.append(entry.index)
        self.left_out += not shown
        self.erased += shown and entry.body is None
        self._gzip.write(entry.line(with_body=shown))
        return shown and entry.body is not None

    def compressed(self) -> bytes:
        self._gzip.close()
        return self._buffer.getvalue()


def proof_json(stretch: Stretch, lines: Lines, k_from: int, inclusion: list[bytes], consistency: list[bytes]) -> bytes:
    handover = lines.handover and {
        "actors": sorted(lines.handover.actors),
        "domain": lines.handover.domain,
        "left_out": lines.left_out,
    }
    return canonical(
        {
            "consistency": _texts(consistency),
            "customer": str(stretch.customer),
            "cut_at": stretch.cut_at.isoformat(timespec="microseconds"),
            "erased": lines.erased,
            "from": stretch.start,
            "handover": handover,
            "inclusion": _texts(inclusion),
            "interim": stretch.interim,
            "k_from": k_from,
            "k_to": k_from + len(lines.indexes),
            "leaves": len(lines.indexes),
            "month": stretch.month,
            "origin": stretch.origin,
            "size": stretch.size,
            "v": 1,
        }
    )


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS, as sha256sum writes and reads it, sorted by name."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()


def signature_file(sums: bytes, signature: bytes, key: VerifierKey) -> bytes:
    """The pack's .sig: SHA256SUMS as a signed note. Its signature is that of the plain file."""
    return str(Note(sums.decode(), (Signature(key.name, key.key_id, signature),))).encode()


def zip_of(folder: str, files: Mapping[str, bytes]) -> bytes:
    """Stored, sorted, without times: there is one zip of a pack, and the verifier knows every byte of it."""
    bodies: list[bytes] = []
    listing: list[bytes] = []
    offset = 0
    for name, content in sorted(files.items()):
        label = f"{folder}/{name}".encode("ascii")
        common = _zip_fields(content, label)
        bodies += [b"PK\x03\x04", common, label, content]
        listing += [b"PK\x01\x02", struct.pack("<H", 0x314), common]
        listing += [struct.pack("<HHHII", 0, 0, 0, _UNIX_FILE, offset), label]
        offset = sum(map(len, bodies))
    directory = b"".join(listing)
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), offset, 0)
    return b"".join([*bodies, directory, b"PK\x05\x06", end])


def _zip_fields(content: bytes, label: bytes) -> bytes:
    size = len(content)
    return struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, _DOS_EPOCH, zlib.crc32(content), size, size, len(label), 0)


def names_of(month: str) -> tuple[str, str]:
    """The month's summary and its events."""
    return f"{month}.pdf", f"{month}.jsonl.gz"


def read_lines(raw: bytes) -> Iterator[dict[str, Any]]:
    """The events of a pack, one by one."""
    with gzip.open(io.BytesIO(raw)) as lines:
        yield from map(json.loads, lines)
