"""How Hudu's lists are asked for: an unknown filter is ignored without a word, so every one is checked on the rows."""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.arguments import page_of
from connectors.contract import Connection, Fetched, Run
from connectors.narrowing import Owner
from connectors.paging import listed, of_one_answer, picked_out
from connectors.shapes import Shape
from connectors.vendors.hudu.client import HuduClient
from connectors.vendors.hudu.shapes import OWNER

Parameters = dict[str, str | int]
Asked = Callable[[Mapping[str, Any]], Parameters]


def asked(*, texts: tuple[str, ...] = (), numbers: tuple[str, ...] = (), flags: tuple[str, ...] = ()) -> Asked:
    """The vendor's parameters out of the arguments of the same names."""

    def parameters(arguments: Mapping[str, Any]) -> Parameters:
        found: Parameters = {name: str(arguments[name]) for name in texts if name in arguments}
        found |= {name: int(arguments[name]) for name in numbers if name in arguments}
        return found | {name: "true" if arguments[name] else "false" for name in flags if name in arguments}

    return parameters


def paged(path: str, plural: str, shape: Shape, parameters: Asked) -> Run:
    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        client, wanted = HuduClient(connection), parameters(arguments) | {OWNER: customer}
        page, limit = page_of(arguments)
        return listed(
            lambda number, size: client.page(path, plural, wanted, number=number, size=size),
            owner=Owner(customer),
            shape=shape,
            page=page,
            limit=limit,
        )

    return run


def unpaged(path: str, plural: str, shape: Shape, parameters: Asked) -> Run:
    """Lists that the vendor gives as a whole."""

    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        rows = HuduClient(connection).rows(path, plural, parameters(arguments) | {OWNER: customer})
        page, limit = page_of(arguments)
        return of_one_answer(rows, owner=Owner(customer), shape=shape, page=page, limit=limit)

    return run


def everybodys(path: str, plural: str, shape: Shape, parameters: Asked) -> Run:
    """Lists without a parameter for the company: the customer's rows are picked out."""

    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        client, wanted = HuduClient(connection), parameters(arguments)
        page, limit = page_of(arguments)
        return picked_out(
            lambda number, size: client.page(path, plural, wanted, number=number, size=size),
            owner=Owner(customer),
            shape=shape,
            page=page,
            limit=limit,
            shared=True,
        )

    return run
