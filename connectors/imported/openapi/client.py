"""A client of any API that describes itself: the description looked at, a health check, and one operation called.

Nothing of what an answer says is followed. The key goes to the API's own address and nowhere else, not even to where
the description is.
"""

from collections.abc import Mapping
from typing import Any

from connectors.answers import check
from connectors.contract import Connection
from connectors.egress import origin_of
from connectors.imported.definitions import Listed
from connectors.imported.openapi.operations import operations
from connectors.imported.openapi.reading import read
from connectors.imported.openapi.sending import request
from connectors.imported.signing_in import headers
from connectors.network import Request
from connectors.secret import Secret

_TAKEN = Secret("application/json, application/yaml, text/yaml, */*;q=0.1")


def list_operations(connection: Connection) -> Listed:
    """Of the description at its address. VendorError if it is not there or cannot be read."""
    place = connection.settings["description"]
    same = origin_of(place) == origin_of(connection.settings["address"])
    own = headers(connection) if same else {}
    answer = connection.http.send(Request("GET", place, headers={"Accept": _TAKEN, **own}))
    check(answer)
    return described(answer.body, connection.settings)


def described(written: bytes, settings: Mapping[str, Any]) -> Listed:
    sent = frozenset({settings["header"].lower()} - {""})
    return operations(read(written), below=settings.get("paths", ""), headers=sent)


def health(connection: Connection) -> str:
    """One request that needs the key, at the path that a person has named."""
    address = connection.settings["address"] + connection.settings["check"]
    answer = connection.http.send(Request("GET", address, headers=headers(connection)))
    check(answer)
    answer.json()
    return "The API takes the key and answers with JSON."


def call_operation(
    connection: Connection, definition: Mapping[str, Any], arguments: Mapping[str, Any], changes: bool
) -> Any:
    """As it was reviewed: the request is made of the pinned definition alone, and not of what is described today."""
    answer = connection.http.send(request(connection, definition, arguments, changes))
    check(answer)
    return answer.json()
