"""Packs of a log in memory, made as the worker makes them, and a command line to verify them with."""

import base64
import dataclasses
import hashlib
import json
import secrets
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.canonical import canonical
from audit.packs import format as fmt
from audit.packs.building import Log, evidence, signed
from audit.tlog.checkpoint import Checkpoint, origin_of
from audit.tlog.note import Note, VerifierKey, sign
from audit.tlog.tree import consistency_proof, inclusion_proof, root_of
from audit.verifier import msplex_verify

VERIFIER = Path(msplex_verify.__file__)
HOST = "msplex.example"
NOON = "2026-04-12T12:00:00.000000+00:00"
CUT = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)


def pem_of(key: Ed25519PrivateKey) -> str:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, public).decode()


@dataclasses.dataclass
class MemoryLog:
    """A tenant's log: real formats, real signatures, kept in memory."""

    tenant: UUID = dataclasses.field(default_factory=uuid4)
    key: Ed25519PrivateKey = dataclasses.field(default_factory=Ed25519PrivateKey.generate)
    epoch: int = 1
    entries: list[tuple[UUID | None, fmt.Entry]] = dataclasses.field(default_factory=list)

    @property
    def origin(self) -> str:
        return origin_of(HOST, self.tenant, self.epoch)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.origin, self.key.public_key().public_bytes_raw())

    def add(
        self, customer: UUID | None, *, actor: str | None = None, behalf: str | None = None, at: str = NOON, **more: Any
    ) -> fmt.Entry:
        """`behalf`: the actor is an agent of that person."""
        body = canonical({"actor_label": "alice@msp.example", "salt": secrets.token_hex(16), "subject_label": "héllo"})
        who: dict[str, Any] = {"id": actor or str(uuid4()), "kind": "agent" if behalf else "user"}
        header = {
            "actor": who | ({"on_behalf_of": {"id": behalf, "kind": "user"}} if behalf else {}),
            "body_commit": hashlib.sha256(b"msplex/body/v1\0" + body).hexdigest(),
            "customer": customer and str(customer),
            "id": str(uuid4()),
            "kind": "gateway:call:finish",
            "occurred_at": at,
            "request_id": "",
            "result": "ok",
            "subject": {"id": None, "kind": ""},
            "tenant": str(self.tenant),
            "v": 1,
        } | more
        k = sum(whose == customer for whose, _ in self.entries)
        self.entries.append((customer, fmt.Entry(len(self.entries), k, canonical(header), body)))
        return self.entries[-1][1]

    @property
    def leaves(self) -> list[bytes]:
        return [entry.leaf for _, entry in self.entries]

    def read(self, level: int, index: int) -> bytes:
        return root_of(self.leaves[index << level : (index + 1) << level])

    def note(self, size: int, *also: Ed25519PrivateKey) -> bytes:
        text = str(Checkpoint(self.origin, size, root_of(self.leaves[:size])))
        return str(Note(text, tuple(sign(text, key, self.origin) for key in (self.key, *also)))).encode()

    def proof(self, index: int) -> bytes:
        size = len(self.entries)
        hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in inclusion_proof(self.read, index, size))
        return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n".encode() + self.note(size)

    def growth(self, old: int, new: int) -> bytes:
        return "".join(
            f"{base64.b64encode(each).decode()}\n" for each in consistency_proof(self.read, old, new)
        ).encode()

    def pack(self, customer: UUID, start: int, size: int, *, month: str = "2026-04", **more) -> dict[str, bytes]:
        """`more` may change the handover, the entries, or anything of the stretch."""
        entries = more.pop("entries", None)
        handover = more.pop("handover", None)
        if entries is None:
            entries = [entry for whose, entry in self.entries[start:size] if whose == customer]
        lines = fmt.Lines(handover)
        for entry in entries:
            lines.add(entry, json.loads(entry.header))
        k_from = sum(whose == customer for whose, _ in self.entries[:start])
        about = {"cut_at": CUT, "interim": False} | more
        stretch = fmt.Stretch(self.origin, month, customer, start=start, size=size, **about)
        log = Log(self.read, self.note(size), self.note(start) if start else None, b'{"keys":[]}')
        return self.seal(evidence(stretch, lines, k_from, log) | {f"{month}.pdf": b"%PDF-1.7 a summary"})

    def seal(self, files: dict[str, bytes]) -> dict[str, bytes]:
        files = {name: content for name, content in files.items() if name not in {fmt.SUMS, fmt.SUMS_SIGNATURE}}
        sums = fmt.sums_of(files)
        return signed(files, sums, self.key.sign(sums))


def verify(*arguments: object, expect: int | None = None, python: str = sys.executable) -> dict:
    """As somebody else's machine would: another process, isolated from this one's packages."""
    command = [python, "-I", "-S", VERIFIER, *arguments, "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.stderr == "", done.stderr
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) is answer["ok"]
    if expect is not None:
        assert done.returncode == expect, answer
    return answer


def code_of(run) -> str:
    """What the verifier's functions refuse with, in this process."""
    try:
        run()
    except msplex_verify.NotAuthentic as refusal:
        return refusal.code
    return "accepted"
