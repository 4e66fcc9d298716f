"""The door for webhooks. What is behind it: connectors.hooks."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from connectors.hook_proof import Delivery
from connectors.hooks import receive
from identity.oauth import pace
from identity.web import public
from tenants.errors import Invalid

LARGEST = 256 * 1024


@csrf_exempt
@public("vendors call it; every delivery proves that it comes from who has the webhook's secret")
@require_POST
def hook(request: HttpRequest, address: str) -> HttpResponse:
    """204, or what is wrong. Whatever does not prove itself gets the answer of an address that there is not."""
    wait = pace.wait("hook_from", request.client.address) or pace.wait("hook", address)  # type: ignore[attr-defined]
    if wait:
        return _no(429, "too_many", {"Retry-After": str(wait)})
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return _no(413, "too_large")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        taken = receive(address, Delivery(headers, body), timezone.now())
    except Invalid as error:
        return JsonResponse({"error": "malformed", "detail": error.message}, status=400)
    return HttpResponse(status=204) if taken else _no(404, "not_found")


def _no(status: int, code: str, headers: dict[str, str] | None = None) -> JsonResponse:
    return JsonResponse({"error": code}, status=status, headers=headers)
