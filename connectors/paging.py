"""Lists of a vendor, a page at a time, counted over what belongs to the customer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import Client, Fetched
from connectors.errors import VendorError
from connectors.narrowing import Owning, narrow, normalised
from connectors.shapes import Shape, at, text
from connectors.telling import tell_page
from connectors.websites import domain_in

# Pages read when the vendor does not keep to the customer and the rows have to be picked out of everybody's.
WALK_PAGES = 5
WALK_SIZE = 100
# A service provider with more clients than this maps them by hand.
CLIENT_PAGES = 50
_LONGEST_NAME = 200

# (page, from 1; rows per page) -> raw rows
FetchPage = Callable[[int, int], list[Any]]


def listed(fetch: FetchPage, *, owner: Owning, shape: Shape, page: int, limit: int) -> Fetched:
    """A page of the customer's rows. A vendor that mixes customers is walked, and its own pages mean nothing."""
    rows = fetch(page, limit)
    if narrow(rows, owner=owner, shape=shape).dropped == 0:
        return Fetched(rows[:limit], has_more=len(rows) >= limit)
    return picked_out(fetch, owner=owner, shape=shape, page=page, limit=limit)


def of_one_answer(
    rows: list[Any], *, owner: Owning, shape: Shape, page: int, limit: int, shared: bool = False
) -> Fetched:
    """For lists that a vendor gives as a whole: a page of what is kept of it. `shared`: see picked_out."""
    walked = _Walked()
    walked.take(rows, owner, shape)
    return walked.page(page, limit, shared=shared)


def picked_out(
    fetch: FetchPage, *, owner: Owning, shape: Shape, page: int, limit: int, shared: bool = False
) -> Fetched:
    """For vendors without a parameter for the customer, too: over-fetch and count the kept rows alone.

    At most WALK_PAGES times WALK_SIZE rows are looked at. `shared`: the vendor has no parameter for the customer, so
    rows of others are what was asked for, and only those without an owner count as withheld.
    """
    walked = _Walked()
    for number in range(1, WALK_PAGES + 1):
        rows = fetch(number, WALK_SIZE)
        tell_page(number, WALK_PAGES)
        walked.take(rows, owner, shape)
        if len(rows) < WALK_SIZE:
            break
    else:
        walked.cut = True
    return walked.page(page, limit, shared=shared)


def gathered(
    pages: Iterable[list[Any]], *, owner: Owning, shape: Shape, page: int, limit: int, most: int = WALK_PAGES
) -> Fetched:
    """For vendors that page by a cursor: from the first page on, until this one is full, and never more than `most`."""
    walked = _Walked()
    for number, rows in enumerate(pages, 1):
        tell_page(number, most)
        walked.take(rows, owner, shape)
        if len(walked.kept) > page * limit:
            break
        if number >= most:
            walked.cut = len(rows) >= WALK_SIZE
            break
    return walked.page(page, limit)


@dataclass(slots=True)
class _Walked:
    """What was kept of the rows that were looked at, and what was not."""

    kept: list[Any] = field(default_factory=list)
    dropped: int = 0
    unreadable: int = 0
    foreign: int = 0
    cut: bool = False  # there may be more than was looked at

    def take(self, rows: Sequence[Any], owner: Owning, shape: Shape) -> None:
        narrowed = narrow(rows, owner=owner, shape=shape)
        self.kept += narrowed.rows
        self.dropped += narrowed.dropped
        self.unreadable += narrowed.unreadable
        self.foreign += narrowed.foreign

    def page(self, number: int, limit: int, *, shared: bool = False) -> Fetched:
        start = (number - 1) * limit
        return Fetched(
            self.kept[start : start + limit],
            has_more=len(self.kept) > start + limit,
            dropped=self.unreadable if shared else self.dropped,
            unreadable=self.unreadable,
            foreign=0 if shared else self.foreign,
            truncated=self.cut,
        )


def clients_of(fetch: FetchPage, *, name: str = "name", id_at: str = "id", website: str = "") -> list[Client]:
    """The vendor's clients, each once; those that have no id are left out. `website`: where a row has its web address.

    All of them or none: a part of the list would say of the others that they are gone. So of a vendor with more than
    CLIENT_PAGES times WALK_SIZE clients it is `vendor_oversize`, and customers are mapped by hand.
    """
    found: dict[str, Client] = {}
    for number in range(1, CLIENT_PAGES + 1):
        rows, known = fetch(number, WALK_SIZE), len(found)
        for row in rows:
            if (external := normalised(at(row, id_at))) is not None:
                found.setdefault(external, _client(external, at(row, name), at(row, website) if website else None))
        if len(rows) < WALK_SIZE or len(found) == known:  # the last page, or a vendor that always sends the same
            return list(found.values())
    raise VendorError("vendor_oversize")


def _client(external: str, name: Any, website: Any) -> Client:
    called = (text(name, _LONGEST_NAME) or "").strip()[:_LONGEST_NAME]
    return Client(external, called or external, domain_in(website))
