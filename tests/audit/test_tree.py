"""RFC 6962: published vectors, and every small tree with every proof, whole and mutated."""

import hashlib
import random
from functools import cache

import pytest

from audit.tlog.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots of Certificate Transparency's own tests (transparency-dev/merkle, testonly/constants.go).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LARGEST = 130  # beyond 128, so that seven levels are full and an eighth has begun
LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(LARGEST)]


def definition(leaves: list[bytes]) -> bytes:
    """MTH() as RFC 6962 writes it down, from leaf hashes: slow, and nothing to get wrong."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:split]) + definition(leaves[split:])).digest()


ROOT = [definition(LEAVES[:size]) for size in range(LARGEST + 1)]


@cache
def read(level: int, index: int) -> bytes:
    return definition(LEAVES[index << level : (index + 1) << level])


def test_roots_are_those_of_certificate_transparency():
    leaves = [leaf_hash(bytes.fromhex(each)) for each in INPUTS]
    assert [root_of(leaves[:size]).hex() for size in range(9)] == ROOTS
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_a_leaf_is_not_a_node():
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_frontier_has_the_root_of_every_size_and_survives_being_stored():
    frontier = Frontier()
    for size in range(LARGEST):
        assert frontier.root() == ROOT[size]
        frontier = Frontier.from_bytes(size, frontier.to_bytes())
        frontier.append(LEAVES[size])
    assert (frontier.size, frontier.root()) == (LARGEST, ROOT[LARGEST])


@pytest.mark.parametrize(("size", "joined"), [(3, bytes(32)), (1, bytes(64)), (1, bytes(31)), (0, bytes(32))])
def test_a_frontier_that_cannot_be_is_refused(size, joined):
    with pytest.raises(ValueError, match="frontier"):
        Frontier.from_bytes(size, joined)


def test_every_leaf_of_every_small_tree_is_proved_and_nothing_else_is():
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = inclusion_proof(read, index, size)
            assert verify_inclusion(LEAVES[index], index, size, proof, ROOT[size]), (index, size)
            assert not verify_inclusion(LEAVES[index], index, size, proof, ROOT[size - 1])
            assert not verify_inclusion(LEAVES[index - 1], index, size, proof, ROOT[size]) or size == 1
            for other in (index - 1, index + 1):
                assert not verify_inclusion(LEAVES[index], other, size, proof, ROOT[size]), (index, other, size)


def test_every_small_tree_is_proved_to_grow_from_every_smaller_one():
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            proof = consistency_proof(read, old, new)
            assert verify_consistency(old, ROOT[old], new, ROOT[new], proof), (old, new)
            if 0 < old < new:
                assert not verify_consistency(old, ROOT[old - 1], new, ROOT[new], proof), (old, new)
                assert not verify_consistency(old, ROOT[old], new, ROOT[new - 1], proof), (old, new)


def mutations(proof: list[bytes]) -> list[list[bytes]]:
    """One bit anywhere, one hash dropped, doubled, exchanged, added before or after."""
    changed = [[*proof, bytes(32)], [bytes(32), *proof]]
    for place, each in enumerate(proof):
        bit = random.randrange(256)
        flipped = bytearray(each)
        flipped[bit // 8] ^= 1 << bit % 8
        changed += [
            [*proof[:place], bytes(flipped), *proof[place + 1 :]],
            [*proof[:place], *proof[place + 1 :]],
            [*proof[:place], each, *proof[place:]],
            [*proof[:place], each[:-1], *proof[place + 1 :]],
        ]
        if place and proof[place - 1] != each:
            changed.append([*proof[: place - 1], each, proof[place - 1], *proof[place + 1 :]])
    return changed


def test_no_mutated_inclusion_proof_is_accepted():
    for size in range(1, 70):
        for index in range(size):
            for mutated in mutations(inclusion_proof(read, index, size)):
                assert not verify_inclusion(LEAVES[index], index, size, mutated, ROOT[size]), (index, size)


def test_no_mutated_consistency_proof_is_accepted():
    for new in range(1, 70):
        for old in range(1, new + 1):
            for mutated in mutations(consistency_proof(read, old, new)):
                assert not verify_consistency(old, ROOT[old], new, ROOT[new], mutated), (old, new)


def test_the_empty_tree_begins_every_tree_and_only_with_its_own_root():
    assert verify_consistency(0, EMPTY_ROOT, 7, ROOT[7], [])
    assert not verify_consistency(0, ROOT[1], 7, ROOT[7], [])
    assert not verify_consistency(0, EMPTY_ROOT, 7, ROOT[7], [ROOT[7]])


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_leaf_outside_the_tree_has_no_proof(index, size):
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(read, index, size)
    assert not verify_inclusion(LEAVES[0], index, size, [], ROOT[4])


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4)])
def test_a_tree_does_not_shrink(old, new):
    with pytest.raises(ValueError, match="cannot grow"):
        consistency_proof(read, old, new)
    assert not verify_consistency(old, ROOT[4], new, ROOT[4], [])
