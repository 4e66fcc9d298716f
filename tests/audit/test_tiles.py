"""c2sp.org/tlog-tiles: the examples of its text, and every proof of a tree read from tiles."""

import pytest

from audit.tlog.tiles import WIDTH, frontier_from, hashes_from, tile_path, tiles_of, width_of
from audit.tlog.tree import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZE = 700  # two full tiles and a partial one at level 0, a partial one at level 1
LEAVES = [leaf_hash(b"%d" % number) for number in range(SIZE)]


def tile(level: int, number: int, width: int) -> list[bytes]:
    """As the text defines it: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])."""
    span = WIDTH**level
    first = number * WIDTH
    return [root_of(LEAVES[at * span : (at + 1) * span]) for at in range(first, first + width)]


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "tile/0/000"),
        (999, "tile/0/999"),
        (1000, "tile/0/x001/000"),
        (1234067, "tile/0/x001/x234/067"),  # the example of the text
    ],
)
def test_the_number_of_a_tile_is_written_in_groups(number, path):
    assert tile_path(0, number) == path
    assert tile_path(0, number, 112) == f"{path}.p/112"


def test_a_tree_of_70000_has_the_tiles_of_the_text():
    tiles = list(tiles_of(70_000))
    assert sum(1 for level, _, width in tiles if (level, width) == (0, WIDTH)) == 273
    assert [each for each in tiles if each[2] < WIDTH] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert [each for each in tiles if each[0] == 1] == [(1, 0, WIDTH), (1, 1, 17)]


def test_a_tree_of_256_has_a_full_tile_and_one_above_it():
    assert list(tiles_of(WIDTH)) == [(0, 0, WIDTH), (1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert (width_of(0, 0, 5), width_of(0, 1, 5), width_of(1, 0, 5)) == (5, 0, 0)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, SIZE])
def test_proofs_read_from_tiles_hold(size):
    read, root = hashes_from(tile, size), root_of(LEAVES[:size])
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        assert verify_inclusion(LEAVES[index], index, size, inclusion_proof(read, index, size), root)
    for old in {1, 2, 255, 256, 257, 300, size - 1, size} & set(range(size + 1)):
        proof = consistency_proof(read, old, size)
        assert verify_consistency(old, root_of(LEAVES[:old]), size, root, proof)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600, SIZE])
def test_the_frontier_can_be_read_from_tiles(size):
    frontier = Frontier()
    frontier.extend(LEAVES[:size])
    assert frontier_from(hashes_from(tile, size), size).hashes == frontier.hashes


def test_a_tile_is_read_once():
    asked = []

    def counted(level: int, number: int, width: int) -> list[bytes]:
        asked.append((level, number, width))
        return tile(level, number, width)

    read = hashes_from(counted, SIZE)
    for _ in range(2):
        inclusion_proof(read, 300, SIZE)
    assert sorted(asked) == [(0, 1, 256), (0, 2, 188), (1, 0, 2)]


def test_a_tile_that_is_too_short_is_named():
    read = hashes_from(lambda level, number, width: tile(level, number, width)[:-1], SIZE)
    with pytest.raises(LookupError, match=r"tile/1/000 is too short for a tree of 700 leaves"):
        inclusion_proof(read, SIZE - 1, SIZE)
