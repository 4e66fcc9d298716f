"""Several objects in one call: each once, in order, and what became of each is said, also when it ends midway."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.bulk import one_by_one
from connectors.errors import PartlyDone, VendorError
from connectors.narrowing import Parents
from msplex.outcomes import lost_in


class Vendor:
    """What it does with each object: nothing said, it is changed; a code, and whether that may have been done."""

    def __init__(self, **moods: tuple[str, bool]) -> None:
        self.moods, self.asked = moods, []
        self.http = SimpleNamespace(may_have_changed=False)

    def change(self, one: int) -> None:
        self.asked.append(one)
        code, uncertain = self.moods.get(f"t{one}", ("", True))
        self.http.may_have_changed = uncertain
        if code:
            raise VendorError(code)

    def run(self, *ids: int, owned: tuple[int, ...] = (1, 2, 3, 4)) -> list[Any]:
        connection: Any = SimpleNamespace(http=self.http, parents=Parents.of(owned))
        rows = one_by_one(connection, "ticket_id", ids, self.change).rows
        return [(row["ticket_id"], row["outcome"], row.get("code")) for row in rows]


def test_each_is_changed_once_in_its_order() -> None:
    vendor = Vendor()

    assert vendor.run(3, 1, 2) == [(3, "changed", None), (1, "changed", None), (2, "changed", None)]
    assert vendor.asked == [3, 1, 2]
    assert vendor.http.may_have_changed


def test_one_that_is_not_the_customers_stops_them_all_before_anything_is_sent() -> None:
    vendor = Vendor()

    with pytest.raises(VendorError) as error:
        vendor.run(1, 2, owned=(1, 3))

    assert (error.value.code, vendor.asked) == ("not_found", [])


def test_what_the_vendor_refuses_of_one_keeps_none_of_the_others() -> None:
    vendor = Vendor(t2=("vendor_rejected", False))

    assert vendor.run(1, 2, 3) == [(1, "changed", None), (2, "refused", "vendor_rejected"), (3, "changed", None)]


def test_what_would_meet_every_other_one_too_stops_and_the_rest_is_not_sent() -> None:
    vendor = Vendor(t2=("vendor_throttled", False))

    assert vendor.run(1, 2, 3, 4) == [
        (1, "changed", None), (2, "refused", "vendor_throttled"), (3, "not_sent", None), (4, "not_sent", None),
    ]  # fmt: skip
    assert vendor.asked == [1, 2]


@pytest.mark.parametrize("codes", [("vendor_rejected",), ("vendor_rejected", "vendor_rejected"), ("vendor_forbidden",)])
def test_where_not_one_was_changed_the_call_has_failed(codes: tuple[str, ...]) -> None:
    vendor = Vendor(**{f"t{number}": (code, False) for number, code in enumerate(codes, start=1)})

    with pytest.raises(VendorError) as error:
        vendor.run(*range(1, len(codes) + 1))

    assert error.value.code == codes[-1]
    assert not vendor.http.may_have_changed


def test_when_nobody_knows_what_became_of_one_it_stops_and_says_what_is_known_of_each() -> None:
    vendor = Vendor(t2=("vendor_timeout", True))

    with pytest.raises(PartlyDone) as error:
        vendor.run(1, 2, 3, 4)

    assert (error.value.changed, error.value.unknown, error.value.not_sent) == ((1,), 2, (3, 4))
    assert vendor.http.may_have_changed
    outcome = lost_in(error.value)
    assert (outcome.state, outcome.code) == ("unknown", "outcome_unknown")
    assert outcome.message.startswith("What became of 2 nobody knows. Changed: 1. Not sent: 3, 4.")


def test_a_repeated_outcome_of_an_earlier_object_does_not_make_a_later_refusal_uncertain() -> None:
    """Each is looked at by itself: that the first was changed says nothing of the second."""
    moods: dict[str, tuple[str, bool]] = {"t2": ("vendor_rejected", False)}
    refuse: Callable[..., Any] = Vendor(**moods).run

    assert refuse(1, 2)[1] == (2, "refused", "vendor_rejected")
