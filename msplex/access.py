"""One line for each request: what answered it, how, and how long that took. Not the address, which has ids in it."""

import logging
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from msplex.metrics.calls import count_request
from tenants.bound import bound
from tenants.tracing import span

logger = logging.getLogger(__name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ASKED_ALL_THE_TIME = frozenset({"healthz", "readyz", "static"})
SHORTEST_ID, LONGEST_ID = 16, 64


class AccessLines:
    """The outermost middleware of portal and API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        known = request_id(request)
        with bound(request=known), span("request", "SERVER", method=request.method, request=known) as traced:
            response = self.get_response(request)
            traced.set(route=route_of(request), status=response.status_code)
            tenant = getattr(getattr(request, "principal", None), "tenant_id", None)
            with bound(**({"tenant": tenant} if tenant else {})):
                say(route_of(request), request.method or "", response.status_code, time.perf_counter() - began)
        return response


def say(route: str, method: str, status: int, seconds: float) -> None:
    count_request(status, seconds)
    level = logging.DEBUG if route in ASKED_ALL_THE_TIME else logging.INFO
    known = method if method in METHODS else "OTHER"
    said = {"route": route, "method": known, "status": status, "ms": round(seconds * 1000, 1)}
    logger.log(level, "request", extra=said)


def request_id(request: HttpRequest) -> str:
    """That of the proxy in front, where it is one of the usual kind, of hex digits; it stands in the audit log, too.

    Else one of ours, and then the rest of the process is told the same.
    """
    given = request.headers.get("X-Request-ID", "")
    digits = given.replace("-", "")
    if SHORTEST_ID <= len(given) <= LONGEST_ID and digits.isalnum() and not digits.strip("0123456789abcdefABCDEF"):
        return given
    made = uuid.uuid4().hex
    if not given:
        request.META["HTTP_X_REQUEST_ID"] = made
        request.__dict__.pop("headers", None)  # they are read once, and kept
    return made


def route_of(request: HttpRequest) -> str:
    """Its name in the URL conf."""
    match = request.resolver_match
    if match is not None:
        return match.view_name or "unnamed"
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"
