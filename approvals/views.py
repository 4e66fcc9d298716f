"""The door of host agents. Who one is, its signature says (approvals.held.proofs); there is no session and no token."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from approvals.held import agents, channel
from approvals.held.channel import ClockApart, Letter
from identity.oauth import pace
from identity.web import public
from tenants.errors import Invalid

LARGEST = 128 * 1024
SIGNED = "each request is signed by a host agent's own key"


@csrf_exempt
@public("a host agent has nothing yet but the code that an administrator gave it")
@require_POST
def held_enrol(request: HttpRequest) -> JsonResponse:
    if wait := pace.wait("enrol", _client(request).address):
        return _no(429, "too_many", {"Retry-After": str(wait)})
    try:
        given = channel.json_object(request.read(LARGEST))
        code, key = str(given.get("code", "")), str(given.get("key", ""))
        said = agents.enrol(code, key, address=_client(request).address)
    except Invalid as error:
        return _malformed(error)
    return JsonResponse(dict(said)) if said else _no(401, "code_refused")


@csrf_exempt
@public(SIGNED)
@require_POST
def held_sync(request: HttpRequest) -> JsonResponse:
    return _answered(request, channel.sync)


@csrf_exempt
@public(SIGNED)
@require_POST
def held_report(request: HttpRequest) -> JsonResponse:
    return _answered(request, channel.report)


def _answered(request: HttpRequest, work: Any) -> JsonResponse:
    client = _client(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.read(LARGEST + 1)
    letter = Letter(request.path, headers, body, client.address, client.request_id)
    if len(body) > LARGEST:
        return _no(413, "too_large")
    proof = letter.proof
    wait = pace.wait("held_from", client.address) or (proof and pace.wait("held", proof.client_id))
    if wait:
        return _no(429, "too_many", {"Retry-After": str(wait)})
    try:
        said = channel.answer(letter, work)
    except ClockApart:
        return _no(HTTPStatus.CONFLICT, "clock_apart")
    except Invalid as error:
        return _malformed(error)
    return JsonResponse(dict(said)) if said is not None else _no(401, "not_believed")


def _client(request: HttpRequest) -> Any:
    return request.client  # type: ignore[attr-defined]


def _malformed(error: Invalid) -> JsonResponse:
    return JsonResponse({"error": "malformed", "field": error.field, "detail": error.message}, status=400)


def _no(status: int, code: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """With the time of here, so that an agent learns what is wrong with its clock."""
    now = int(timezone.now().timestamp())
    return JsonResponse({"error": code, "now": now}, status=status, headers=dict(headers or {}))
