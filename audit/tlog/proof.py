"""Inclusion proofs that need no server (c2sp.org/tlog-proof): index, hashes, and the checkpoint they lead to."""

import base64
import re
from dataclasses import dataclass

from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from audit.tlog.note import Note, NoteInvalid
from audit.tlog.tree import HASH_BYTES, verify_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,19})")
_HASH = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")


class ProofInvalid(ValueError):
    """The text is no proof; the message says why."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    index: int
    hashes: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.hashes)
        return f"{FIRST_LINE}\nindex {self.index}\n{hashes}\n{self.note}"

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)

    def holds(self, leaf: bytes) -> bool:
        """Says nothing of who signed the checkpoint: that is note.verified_by()."""
        head = self.checkpoint
        return verify_inclusion(leaf, self.index, head.size, self.hashes, head.root)

    @classmethod
    def parse(cls, raw: bytes) -> "InclusionProof":
        """An `extra` line is refused: ours have none, and it would be believed by somebody."""
        head, gap, signed = raw.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        index = _INDEX.fullmatch(lines[0]) if lines else None
        if not gap or first != FIRST_LINE or index is None:
            raise ProofInvalid("A proof begins with its version and the index of its leaf.")
        if not all(map(_HASH.fullmatch, lines[1:])):
            raise ProofInvalid(f"The hashes of a proof are {HASH_BYTES} bytes in base64, one a line.")
        try:
            note = Note.parse(signed)
            Checkpoint.parse(note.text)
        except (NoteInvalid, CheckpointInvalid) as error:
            raise ProofInvalid(str(error)) from None
        return cls(int(index[1]), tuple(map(base64.b64decode, lines[1:])), note)
