"""RFC 6962 Merkle trees over SHA-256: appending, roots, proofs and their verification."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

# The hash of the complete subtree of 2**level leaves that is the index-th of its size, counted from the left.
ReadHash = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """All that appending needs of a tree: its size, and the roots of its complete subtrees, the largest first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(each) != HASH_BYTES for each in self.hashes):
            raise ValueError(f"A frontier of {size} leaves has {size.bit_count()} hashes of {HASH_BYTES} bytes.")

    @classmethod
    def from_bytes(cls, size: int, joined: bytes) -> "Frontier":
        return cls(size, (joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)))

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    def copy(self) -> "Frontier":
        return Frontier(self.size, self.hashes)

    def append(self, leaf: bytes) -> None:
        hashes, number = self.hashes, self.size
        while number & 1:
            leaf = node_hash(hashes.pop(), leaf)
            number >>= 1
        hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def range_root(read: ReadHash, start: int, end: int) -> bytes:
    """MTH(D[start:end]) of RFC 6962, for the ranges that its recursions meet."""
    size = end - start
    if size & (size - 1) == 0 and start % size == 0:
        return read(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(range_root(read, start, middle), range_root(read, middle, end))


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(read: ReadHash, index: int, size: int) -> list[bytes]:
    """From the leaf's sibling up to the root's child (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"Leaf {index} is not in a tree of {size}.")
    return [range_root(read, *sibling) for sibling in _siblings(index, 0, size)]


def _siblings(index: int, start: int, end: int) -> list[tuple[int, int]]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_siblings(index, start, middle), (middle, end)]
    return [*_siblings(index, middle, end), (start, middle)]


def consistency_proof(read: ReadHash, old: int, new: int) -> list[bytes]:
    """That the tree of `old` leaves is the beginning of the one of `new` (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {old} cannot grow to {new}.")
    if old in {0, new}:
        return []
    return [range_root(read, *part) for part in _parts(old, 0, new, whole=True)]


def _parts(old: int, start: int, end: int, *, whole: bool) -> list[tuple[int, int]]:
    if old == end:
        return [] if whole else [(start, end)]
    middle = start + _split(end - start)
    if old <= middle:
        return [*_parts(old, start, middle, whole=whole), (middle, end)]
    return [*_parts(old, middle, end, whole=False), (start, middle)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2. False for whatever is wrong with it."""
    if not 0 <= index < size or not _hashes(leaf, root, *proof):
        return False
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


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2. The empty tree is the beginning of every tree. False for whatever is wrong with it."""
    if not 0 <= old <= new or not _hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    return bool(path) and _climb(old, new, path) == (old_root, new_root)


def _climb(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots that the path leads to; None if it is too short or too long."""
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return None
        if number & 1 or number == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, each)
        number, last = number >> 1, last >> 1
    return (first, second) if last == 0 else None


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
