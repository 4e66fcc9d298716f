"""Who counts, and when it is enough: with people, not rows."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.quorum import Missing, Voter, distinct, missing

ROLES = ("owner", "admin", "operator")


def voter(number: int, *roles: str, device: str = "") -> Voter:
    return Voter(UUID(int=number), frozenset(roles), device=device)


def test_so_many_people_as_are_needed():
    assert missing(2, (), [voter(1)]) == Missing(1)
    assert not missing(2, (), [voter(1), voter(2)])


def test_nobody_counts_twice():
    assert missing(2, (), [voter(1), voter(1)]) == Missing(1)
    assert missing(2, (), [voter(1, device="a"), voter(2, device="a")]) == Missing(1)
    assert len(distinct([voter(1, device="a"), voter(2, device="b"), voter(2)])) == 2


def test_one_person_with_two_roles_stands_for_one():
    both = voter(1, "admin", "operator")

    assert missing(1, ("admin", "operator"), [both]) == Missing(1, ("operator",))
    assert not missing(2, ("admin", "operator"), [both, voter(2, "operator")])
    assert not missing(2, ("operator", "admin"), [both, voter(2, "operator")])
    assert missing(2, ("admin", "operator"), [voter(1, "operator"), voter(2, "operator")]) == Missing(1, ("admin",))


@given(
    st.lists(st.frozensets(st.sampled_from(ROLES)), max_size=5), st.lists(st.sampled_from(ROLES), max_size=4),
    st.integers(1, 5),
)  # fmt: skip
def test_it_is_enough_exactly_if_people_can_be_assigned(people, factors, need):
    voters = [voter(number, *roles) for number, roles in enumerate(people)]

    def assignable(rest: list[str], left: list[Voter]) -> bool:
        return not rest or any(
            rest[0] in each.roles and assignable(rest[1:], [other for other in left if other != each]) for each in left
        )

    assert (not missing(need, factors, voters)) is (len(voters) >= need and assignable(factors, voters))


@pytest.mark.parametrize("need", [1, 2, 3])
def test_more_people_never_make_it_less(need):
    voters = [voter(number, "admin") for number in range(need)]

    assert not missing(need, ("admin",), voters)
    assert missing(need, ("admin",), voters[1:])
