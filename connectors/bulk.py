"""Changing several objects in one call: one after the other, each with its own outcome, and none a second time."""

from collections.abc import Callable, Sequence
from typing import Any

from connectors.contract import Connection, Fetched
from connectors.errors import PartlyDone, VendorError
from connectors.shapes import Field, Kind, Shape

MOST = 20  # each takes three requests: two looks at it, and the change
CHANGED, REFUSED, NOT_SENT = "changed", "refused", "not_sent"
# Of the one object. With any other code the next one would fare no better, and is not sent.
_OF_ONE = frozenset({"not_found", "vendor_rejected"})


def outcomes(of: str) -> Shape:
    """What is given out of each object. Nothing of it is the vendor's own words. `of`: the name of its id."""
    return Shape(
        of,
        (
            Field(of, Kind.INTEGER, required=True),
            Field("outcome", required=True, description=f"{CHANGED}, {REFUSED} by the vendor, or {NOT_SENT}."),
            Field("code", description="Why it was refused."),
        ),
    )


def ids_of(description: str) -> dict[str, Any]:
    """The schema of the argument."""
    return {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
        "minItems": 1,
        "maxItems": MOST,
        "uniqueItems": True,
        "description": description,
    }


def one_by_one(connection: Connection, of: str, ids: Sequence[int], change: Callable[[int], None]) -> Fetched:
    """All of them have to be the customer's: the guard has seen whose they are, and one that is not stops them all.

    PartlyDone: nobody knows what became of one of them. VendorError, as it was: not one was changed.
    """
    http, parents = connection.http, connection.parents
    if parents is None or not all(parents.owns(one) for one in ids):
        raise VendorError("not_found")
    rows: list[dict[str, Any]] = []
    stopped: VendorError | None = None
    for number, one in enumerate(ids):
        if stopped is not None and stopped.code not in _OF_ONE:
            rows.append({of: one, "outcome": NOT_SENT})
            continue
        http.may_have_changed = False
        try:
            change(one)
        except VendorError as error:
            if http.may_have_changed:
                raise PartlyDone(_changed(rows, of), one, ids[number + 1 :]) from None
            stopped = error
            rows.append({of: one, "outcome": REFUSED, "code": error.code})
        else:
            rows.append({of: one, "outcome": CHANGED})
    http.may_have_changed = bool(_changed(rows, of))
    if stopped is not None and not http.may_have_changed:
        raise stopped
    return Fetched(rows)


def _changed(rows: Sequence[dict[str, Any]], of: str) -> list[int]:
    return [row[of] for row in rows if row["outcome"] == CHANGED]
