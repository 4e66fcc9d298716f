"""Hudu's API for one call: a key in a header, pages by number, answers that are wrapped or not."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.network import Request, json_body

Parameters = Mapping[str, str | int]


class HuduClient:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._base = str(connection.settings["base_url"]).rstrip("/") + "/api/v1"

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        return self._asked(Request("GET", self._url(path, parameters or {})))

    def one(self, path: str, name: str) -> Any:
        """A single object: bare, or under its name."""
        return unwrapped(self.get(path), name)

    def rows(self, path: str, plural: str, parameters: Parameters) -> list[Any]:
        """A list: bare, or under its plural."""
        rows = unwrapped(self.get(path, parameters), plural)
        if not isinstance(rows, list):
            raise VendorError("vendor_shape")
        return rows

    def page(self, path: str, plural: str, parameters: Parameters, *, number: int, size: int) -> list[Any]:
        return self.rows(path, plural, {**parameters, "page": number, "page_size": size})

    def save(self, method: str, path: str, name: str, fields: Mapping[str, Any]) -> Any:
        """Create (POST) or change (PUT) one object."""
        body = json_body({name: fields})
        return unwrapped(self._asked(Request(method, self._url(path, {}), body=body, changes=True)), name)

    def _url(self, path: str, parameters: Parameters) -> str:
        return self._base + path + (f"?{urlencode(parameters)}" if parameters else "")

    def _asked(self, request: Request) -> Any:
        request.headers = {"x-api-key": self._connection.secrets["api_key"]}
        answer = self._connection.http.send(request)
        check(answer)
        return answer.json()


def unwrapped(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, dict) and name in value else value
