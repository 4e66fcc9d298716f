"""How much of one product a company's agreements bill today: their additions that are in force and billable."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.narrowing import normalised
from connectors.shapes import at, integer
from connectors.sightings import moment
from connectors.vendors.connectwise.client import ConnectWiseClient, conditions
from connectors.vendors.connectwise.shapes import OWNER

_SIZE = 100
_PAGES = 3  # of a company's agreements, and of an agreement's additions
_MOST = Decimal(10**9)


def billed(connection: Connection, customer: str, product: str) -> Decimal | None:
    """None: no line of the product. VendorError where a quantity cannot be read, or there is more than is looked at."""
    client, now = ConnectWiseClient(connection), datetime.now(UTC)
    asked = conditions(customer, "cancelledFlag=false") | {"orderBy": "id asc"}
    listed = _all(lambda number: client.page("/finance/agreements", asked, number=number, size=_SIZE))
    agreements = {_number(row, "id") for row in listed if _owner(row) == customer and _holds(row, now)}
    lines = [line for number in sorted(agreements) for line in _lines(client, number, product, now)]
    return sum(lines, Decimal(0)) if lines else None


def _lines(client: ConnectWiseClient, agreement: int, product: str, now: datetime) -> list[Decimal]:
    path = f"/finance/agreements/{agreement}/additions"
    rows = _all(lambda number: client.page(path, {"orderBy": "id asc"}, number=number, size=_SIZE))
    lines = {_number(row, "id"): row for row in rows if _of(row, agreement) and _is(row, product) and _bills(row, now)}
    return [_quantity(row) for row in lines.values()]


def _owner(agreement: Any) -> str:
    """Of others there may be some, if the filter is ignored; of nobody, none: it could be this one's."""
    owner = normalised(at(agreement, OWNER))
    if owner is None:
        raise VendorError("vendor_shape")
    return owner


def _of(addition: Any, agreement: int) -> bool:
    """Nothing else was asked for. Where something else is answered, what is missing cannot be known."""
    if _number(addition, "agreementId") != agreement:
        raise VendorError("vendor_shape")
    return True


def _number(row: Any, name: str) -> int:
    number = integer(at(row, name))
    if number is None:
        raise VendorError("vendor_shape")
    return number


def _all(page: Callable[[int], list[Any]]) -> Iterator[Any]:
    for number in range(1, _PAGES + 1):
        rows = page(number)
        yield from rows
        if len(rows) < _SIZE:
            return
    raise VendorError("vendor_oversize")  # a part would be taken for the whole


def _holds(agreement: Any, now: datetime) -> bool:
    ends = None if at(agreement, "noEndingDateFlag") is True else moment(at(agreement, "endDate"))
    return at(agreement, "cancelledFlag") is not True and _within(moment(at(agreement, "startDate")), ends, now)


def _bills(addition: Any, now: datetime) -> bool:
    began, ended = moment(at(addition, "effectiveDate")), moment(at(addition, "cancelledDate"))
    return at(addition, "billCustomer") == "Billable" and _within(began, ended, now)


def _within(began: datetime | None, ended: datetime | None, now: datetime) -> bool:
    """The day of an end is still in it."""
    return (began is None or began <= now) and (ended is None or ended.date() >= now.date())


def _is(addition: Any, product: str) -> bool:
    named = at(addition, "product.identifier")
    return isinstance(named, str) and named.strip().casefold() == product.strip().casefold()


def _quantity(addition: Any) -> Decimal:
    value = at(addition, "quantity")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        raise VendorError("vendor_shape")
    return Decimal(str(value)).quantize(Decimal("0.01"))
