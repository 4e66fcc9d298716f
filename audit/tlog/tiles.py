"""Tiles of 256 hashes (c2sp.org/tlog-tiles): how they are addressed, and proofs read from them."""

from collections.abc import Callable, Iterator, Sequence

from audit.tlog.tree import Frontier, ReadHash, root_of

WIDTH = 256
HEIGHT = 8  # levels of the tree in one tile
_DIGITS = 1000

# Level, number, width: the tile's hashes, joined or not.
ReadTile = Callable[[int, int, int], Sequence[bytes]]


def width_of(level: int, number: int, size: int) -> int:
    """How many hashes the tile has in a tree of `size` leaves; 0: there is no such tile."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH))


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of every tile of a tree."""
    level = 0
    while hashes := size >> (HEIGHT * level):
        for number in range(-(-hashes // WIDTH)):
            yield level, number, width_of(level, number, size)
        level += 1


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """tile/<L>/<N>[.p/<W>], the number in groups of three digits."""
    groups = [f"{number % _DIGITS:03}"]
    while number := number // _DIGITS:
        groups.insert(0, f"x{number % _DIGITS:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def hashes_from(read_tile: ReadTile, size: int) -> ReadHash:
    """What proofs are made of, for a tree of `size` leaves. Each tile is read once."""
    tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def read(level: int, index: int) -> bytes:
        tile_level, below = divmod(level, HEIGHT)
        number, first = divmod(index << below, WIDTH)
        key = (tile_level, number)
        if key not in tiles:
            tiles[key] = read_tile(tile_level, number, width_of(tile_level, number, size))
        part = tiles[key][first : first + (1 << below)]
        if len(part) != 1 << below:
            raise LookupError(f"{tile_path(tile_level, number)} is too short for a tree of {size} leaves.")
        return part[0] if below == 0 else root_of(part)

    return read


def frontier_from(read: ReadHash, size: int) -> Frontier:
    """The frontier of a tree whose hashes can be read."""
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(read(level, start >> level))
            start += 1 << level
    return Frontier(size, hashes)
