import json
import secrets
import urllib.request
from dataclasses import dataclass
from typing import Any

from connectors.egress import Reach


class Anywhere(Reach):
    """For tests of what comes after: of addresses, limits and answers."""

    def admits(self, url: str) -> bool:  # noqa: ARG002
        return True


ANYWHERE = Anywhere()


@dataclass(frozen=True)
class StubVendor:
    """The stub's remote control."""

    url: str

    def behave(self, mode: str, **how: Any) -> None:
        self._post("mode", {"mode": mode, **how})

    def reset(self) -> None:
        self._post("reset", {})

    def revoke_tokens(self) -> None:
        self._post("revoke", {})

    def account(self, *clients: int, secret: str = "", name: str = "") -> tuple[str, str]:
        """A new API application that sees these clients: its id and secret."""
        name, secret = name or f"app-{secrets.token_hex(6)}", secret or f"key-{secrets.token_urlsafe(24)}"
        self._post("account", {"client_id": name, "secret": secret, "clients": list(clients)})
        return name, secret

    def seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_stub/requests", timeout=5) as reply:
            return json.load(reply)

    def _post(self, command: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(f"{self.url}/_stub/{command}", json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=5).close()


def notes(vendor: StubVendor) -> int:
    """How many notes it has been given."""
    return len([change for change in vendor.seen()["changes"] if change["path"] == "/api/Actions"])
