"""IT Glue's API for one call: a key in a header, and JSON:API, whose rows are {id, type, attributes}."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.network import Request, json_body

MEDIA_TYPE = "application/vnd.api+json"
# A key that is not taken is answered by 403 (the vendor's own text), so 403 cannot mean anything milder.
_CODES = {403: "vendor_unauthorized"}
Parameters = Mapping[str, str | int]


class GlueClient:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._base = str(connection.settings["base_url"]).rstrip("/")

    def one(self, path: str) -> Any:
        return _data(self._asked(Request("GET", self._url(path, {}))))

    def page(self, path: str, parameters: Parameters, *, number: int, size: int) -> list[Any]:
        asked = {**parameters, "page[number]": number, "page[size]": size}
        rows = _data(self._asked(Request("GET", self._url(path, asked))))
        if not isinstance(rows, list):
            raise VendorError("vendor_shape")
        return rows

    def create(self, path: str, kind: str, attributes: Mapping[str, Any]) -> Any:
        body = json_body({"data": {"type": kind, "attributes": attributes}})
        return _data(self._asked(Request("POST", self._url(path, {}), body=body, media_type=MEDIA_TYPE, changes=True)))

    def _url(self, path: str, parameters: Parameters) -> str:
        return self._base + path + (f"?{urlencode(parameters)}" if parameters else "")

    def _asked(self, request: Request) -> Any:
        request.headers = {"x-api-key": self._connection.secrets["api_key"]}
        answer = self._connection.http.send(request)
        check(answer, _CODES)
        return answer.json()


def below(customer: str, what: str) -> str:
    """The nested route of a resource, which holds it to its organisation."""
    return f"/organizations/{int(customer)}/relationships/{what}"


def _data(answer: Any) -> Any:
    if not isinstance(answer, dict) or "data" not in answer:
        raise VendorError("vendor_shape")
    return answer["data"]
