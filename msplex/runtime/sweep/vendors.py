"""A stand-in of each vendor, and what a person types to connect it."""

import json
import secrets
import socket
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.stub.world import NORTHWIND, uuid_of
from msplex.runtime.programs import VENDOR, Program

ACCOUNT = "sweep-api"
_GUID = "1f2e3d4c-0000-4000-8000-00000000abcd"


@dataclass(frozen=True)
class Vendor:
    """`typed`: settings beside the address; `secret`: the field of the credential."""

    key: str
    secret: str
    typed: dict[str, str]
    external_id: Callable[[int], str] = str
    fenced: bool = False  # a customer can have a key of its own


VENDORS = (
    Vendor("halopsa", "client_secret", {"client_id": ACCOUNT}),
    Vendor("hudu", "api_key", {}, fenced=True),
    Vendor("ninjaone", "client_secret", {"client_id": ACCOUNT}),
    Vendor("pax8", "client_secret", {"client_id": ACCOUNT}, uuid_of),
    Vendor("connectwise", "private_key", {"company_id": "northwind", "public_key": ACCOUNT, "client_id": _GUID}),
    Vendor("itglue", "api_key", {}),
)


@dataclass(frozen=True)
class StandIn:
    vendor: Vendor
    port: int
    canary: str
    own_canary: str = ""  # of the first customer's own

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def program(self, environment: dict[str, str]) -> Program:
        command = [sys.executable, "-m", f"connectors.vendors.{self.vendor.key}.stub", "--port", str(self.port)]
        return Program(self.vendor.key, command, environment, VENDOR, ready_address=self.url)

    def know(self) -> None:
        """The credential, over its remote control: not in an argument or a variable."""
        self.tell("account", {"client_id": ACCOUNT, "secret": self.canary, "clients": list(NORTHWIND)})
        if self.vendor.fenced:
            account = {"client_id": f"{ACCOUNT}-own", "secret": self.own_canary, "clients": list(NORTHWIND[:1])}
            self.tell("account", account)

    def tell(self, command: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/_stub/{command}", json.dumps(body).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def received(self) -> bytes:
        with urllib.request.urlopen(f"{self.url}/_stub/received", timeout=10) as answer:  # noqa: S310
            data: bytes = answer.read()
        return data


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def canary(vendor: Vendor) -> str:
    """With what is written differently in JSON, in an address and in base64."""
    return f'{vendor.key}-{secrets.token_urlsafe(18)}/+&"%{secrets.token_hex(4)}'
