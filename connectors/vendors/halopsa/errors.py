"""HaloPSA answers as errors. Its bodies come in four shapes and none is passed on, so the status alone decides."""

from connectors.errors import VendorError
from connectors.network import Answer, seconds_to_wait

_CODES = {401: "vendor_unauthorized", 403: "vendor_forbidden", 404: "not_found", 408: "vendor_timeout"}
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_THROTTLED = 429
_SUCCESS = range(200, 300)


def check(answer: Answer) -> None:
    if answer.status in _SUCCESS:
        return
    if answer.status == _THROTTLED:
        raise VendorError("vendor_throttled", retry_after=seconds_to_wait(answer))
    if answer.status in _REDIRECTS:
        raise VendorError("vendor_redirect")
    if answer.status in _SERVER_ERRORS:
        raise VendorError("vendor_fault")
    raise VendorError(_CODES.get(answer.status, "vendor_rejected"))
