"""One proof for many leaves of a tree: the roots of the largest subtrees that hold none of them, from left to right."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from audit.tlog.tree import ReadHash, range_root


def batch_proof(read: ReadHash, indexes: Sequence[int], size: int) -> list[bytes]:
    """`indexes` ascend. With the leaves themselves they lead to the root: audit/verifier has the other half."""
    return [range_root(read, start, end) for start, end in empty_ranges(indexes, 0, size)]


def empty_ranges(indexes: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Walks the recursion of RFC 6962, and stops where none of the leaves is below."""
    if start == end:
        return
    if bisect_left(indexes, start) == bisect_left(indexes, end):
        yield start, end
    elif end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        yield from empty_ranges(indexes, start, middle)
        yield from empty_ranges(indexes, middle, end)
