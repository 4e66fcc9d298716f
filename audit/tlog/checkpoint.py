"""Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a tree, as the text of a signed note."""

import base64
import binascii
import re
from dataclasses import dataclass
from uuid import UUID

from audit.tlog.tree import HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_LINES = 3


class CheckpointInvalid(ValueError):
    """The text is no checkpoint; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Extension lines are read over: ours have none, a witness may know some."""
        lines = text.split("\n")
        if len(lines) <= _LINES or lines.pop() or not all(lines):
            raise CheckpointInvalid("A checkpoint is at least three lines, none empty, each with its newline.")
        origin, size, root = lines[:_LINES]
        if not _SIZE.fullmatch(size):
            raise CheckpointInvalid("The size is a decimal number without leading zeroes.")
        return cls(origin, int(size), _root(root))


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        root = b""
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != text:
        raise CheckpointInvalid("The root is a SHA-256 hash in base64.")
    return root


def origin_of(installation: str, tenant: UUID, epoch: int) -> str:
    return f"{installation}/audit/{tenant}/e{epoch}"
