"""How NinjaOne's lists are asked for.

Most rows name a device and no organisation: the organisation's devices are read first (`DEVICES_OF_CUSTOMER`), and a
row that hangs on none of them is not given out. The device filter `df` is built here of the mapped id and nothing else.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from connectors.arguments import page_of
from connectors.contract import Connection, Fetched, Parent, Run
from connectors.narrowing import Owner, Owning, Parents
from connectors.paging import WALK_PAGES, gathered, of_one_answer
from connectors.shapes import Shape
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.shapes import OWNER

Parameters = dict[str, str | int]


def device_filter(customer: str) -> Parameters:
    return {"df": f"org = {int(customer)}"}


def devices_of(connection: Connection, customer: str) -> list[Any]:
    """At most five thousand: what hangs on a device beyond them is not given out."""
    pages = NinjaClient(connection).after(f"/v2/organization/{int(customer)}/devices")
    return [row for page in islice(pages, WALK_PAGES) for row in page]


def _read_devices(connection: Connection, _arguments: Mapping[str, Any], customer: str) -> Fetched:
    return Fetched(devices_of(connection, customer))


DEVICES_OF_CUSTOMER = Parent(read=_read_devices, owner=OWNER)


def on_devices(connection: Connection) -> Owning:
    """Whom the rows have to hang on; nobody, if no guard has looked."""
    return connection.parents or Parents.of([])


def report(
    path: str, shape: Shape, named: Mapping[str, str], *, whose: Callable[[Connection, str], Owning] | None = None
) -> Run:
    """A report of all devices, page by page. `named`: our arguments, and what the vendor calls them."""

    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        asked = {theirs: str(arguments[ours]) for ours, theirs in named.items() if ours in arguments}
        page, limit = page_of(arguments)
        return gathered(
            NinjaClient(connection).cursor(path, device_filter(customer) | asked),
            owner=whose(connection, customer) if whose else on_devices(connection),
            shape=shape,
            page=page,
            limit=limit,
        )

    return run


def whole(
    path: str, inside: str, shape: Shape, asked: Callable[[Mapping[str, Any]], Parameters], *, shared: bool = False
) -> Run:
    """A list that comes in one answer. `shared`: of everybody's devices, which name their organisation."""

    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        narrowed = {} if shared else device_filter(customer)
        rows = NinjaClient(connection).rows(path, inside, asked(arguments) | narrowed)
        owner = Owner(customer) if shared else on_devices(connection)
        page, limit = page_of(arguments)
        return of_one_answer(rows, owner=owner, shape=shape, page=page, limit=limit, shared=shared)

    return run
