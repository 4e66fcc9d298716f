"""Answers that are errors. What a vendor writes into them is not passed on, so the status alone decides."""

from collections.abc import Mapping

from connectors.errors import VendorError
from connectors.network import Answer, seconds_to_wait

_CODES = {401: "vendor_unauthorized", 403: "vendor_forbidden", 404: "not_found", 408: "vendor_timeout"}
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_THROTTLED = 429
_SUCCESS = range(200, 300)


def check(answer: Answer, codes: Mapping[int, str] | None = None) -> None:
    """VendorError unless the vendor says that all went well. `codes`: what a status means to this vendor alone."""
    if answer.status in _SUCCESS:
        return
    if answer.status == _THROTTLED:
        raise VendorError("vendor_throttled", retry_after=seconds_to_wait(answer))
    if answer.status in _REDIRECTS:
        raise VendorError("vendor_redirect")
    known = (codes or {}).get(answer.status) or _CODES.get(answer.status)
    raise VendorError(known or ("vendor_fault" if answer.status in _SERVER_ERRORS else "vendor_rejected"))
