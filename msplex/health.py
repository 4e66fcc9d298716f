"""Is the process up, and can it work? For load balancers; they say nothing of any tenant."""

from django.http import HttpRequest, JsonResponse

from identity.web import public
from msplex.readiness import readiness


@public("load balancers")
def healthz(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@public("load balancers")
def readyz(_request: HttpRequest) -> JsonResponse:
    found = readiness()
    return JsonResponse(found.as_json(), status=found.status)
