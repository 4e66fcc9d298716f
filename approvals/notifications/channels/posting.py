"""One POST of the worker: to public https addresses, or into networks that the deployment has listed; no redirects."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings

from connectors.egress import Reach, origin_of
from connectors.errors import VendorError
from connectors.network import Answer, Limits, Request, VendorHttp
from connectors.secret import Secret

LIMITS = Limits(connect_seconds=5.0, read_seconds=10.0, total_seconds=15.0, response_bytes=64 * 1024)
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CODES = {
    "vendor_address_refused": "address_refused",
    "vendor_unreachable": "unreachable",
    "vendor_timeout": "timeout",
    "vendor_oversize": "",  # it has answered, and at length
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problem`: nothing, when it went well. `final`: it would go wrong every time."""

    problem: str = ""
    final: bool = False


SENT = Outcome()


def post(url: str, body: bytes, headers: Mapping[str, str | Secret] | None = None) -> Outcome:
    """No transaction is open meanwhile. What the other side says is not kept, but for its status."""
    origin = origin_of(url)
    if origin is None:
        return Outcome("address_refused", final=True)
    http = VendorHttp(settings.NOTIFY_NETWORKS, LIMITS, reach=Reach(frozenset({origin})))
    wrapped = {name: _wrapped(value) for name, value in (headers or {}).items()}
    try:
        return _outcome(http.send(Request("POST", url, body=Secret(body), headers=wrapped, changes=True)))
    except VendorError as error:
        return Outcome(_CODES.get(error.code, "unreachable"))


def _wrapped(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


def _outcome(answer: Answer) -> Outcome:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return SENT
    final = answer.status == HTTPStatus.GONE  # Standard Webhooks: the receiver wants no more of it
    passing = answer.status in _PASSING or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Outcome("gone" if final else f"status_{answer.status}" if not passing else "unavailable", final)
