"""A tenant's tree as the sealer grows it: in memory all that appending needs, and what has become whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.tlog.tiles import HEIGHT, WIDTH, ReadTile, hashes_from, width_of
from audit.tlog.tiles import frontier_from as frontier_of
from audit.tlog.tree import Frontier, root_of


@dataclass(frozen=True, slots=True)
class WholeTile:
    level: int
    number: int
    hashes: bytes
    root: bytes


class GrowingTree:
    """`open`: by level, the hashes of the tile that is not whole yet."""

    def __init__(self, frontier: Frontier, open_: Sequence[Sequence[bytes]] = ()) -> None:
        self._frontier = frontier
        self._open = [list(hashes) for hashes in open_]

    @classmethod
    def read(cls, read_tile: ReadTile, size: int) -> "GrowingTree":
        """As the database has it."""
        opened, level = [], 0
        while hashes := size >> (HEIGHT * level):
            number = hashes // WIDTH
            width = width_of(level, number, size)
            opened.append(list(read_tile(level, number, width)) if width else [])
            level += 1
        return cls(frontier_of(hashes_from(read_tile, size), size), opened)

    @property
    def size(self) -> int:
        return self._frontier.size

    def root(self) -> bytes:
        return self._frontier.root()

    def copy(self) -> "GrowingTree":
        return GrowingTree(self._frontier.copy(), self._open)

    def extend(self, leaves: Sequence[bytes]) -> list[WholeTile]:
        """The tiles that became whole."""
        whole: list[WholeTile] = []
        for leaf in leaves:
            index = self._frontier.size
            self._frontier.append(leaf)
            self._add(0, index, leaf, whole)
        return whole

    def _add(self, level: int, index: int, hash_: bytes, whole: list[WholeTile]) -> None:
        while len(self._open) <= level:
            self._open.append([])
        self._open[level].append(hash_)
        if len(self._open[level]) == WIDTH:
            tile = WholeTile(level, index // WIDTH, b"".join(self._open[level]), root_of(self._open[level]))
            self._open[level].clear()
            whole.append(tile)
            self._add(level + 1, tile.number, tile.root, whole)
