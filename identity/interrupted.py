"""What a person was about to send when they were asked for their second factor: kept in their session, sealed, once."""

import base64
import dataclasses
import json
import re
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from identity.principals import ActingPrincipal
from identity.sealing import INTERRUPTED, seal, unseal
from identity.step_up import clock

NAME = "interrupted"
LONGEST = 16 * 1024
LIFETIME = timedelta(minutes=10)
NEVER_KEPT = re.compile(r"(^|_)(password|passphrase|secret|token|api_?key)\d?$", re.IGNORECASE)
CSRF_FIELD = "csrfmiddlewaretoken"


@dataclasses.dataclass(frozen=True, slots=True)
class Interrupted:
    """`missing`: secret fields, to be entered again. `complete` False: it was too long, and the fields are gone.

    `read`: a page that was to be looked at, and nothing to be sent.
    """

    path: str
    origin: str
    fields: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    complete: bool = True
    read: bool = False

    def sealed(self, bound_to: bytes, now: datetime) -> str:
        clear = json.dumps({"until": (now + LIFETIME).timestamp(), **dataclasses.asdict(self)}).encode()
        return base64.b64encode(seal(clear, purpose=INTERRUPTED, bound_to=bound_to)).decode()

    @classmethod
    def opened(cls, sealed: str, bound_to: bytes, now: datetime) -> Self | None:
        try:
            clear = unseal(base64.b64decode(sealed), purpose=INTERRUPTED, bound_to=bound_to)
        except (InvalidTag, ValueError):
            return None
        given: dict[str, Any] = json.loads(clear)
        if given.pop("until") < now.timestamp():
            return None
        fields = tuple((name, value) for name, value in given.pop("fields"))
        return cls(fields=fields, missing=tuple(given.pop("missing")), **given)


def keep(request: HttpRequest, *, unkept: frozenset[str]) -> None:
    """One at a time, the latest; without files."""
    if request.method in {"GET", "HEAD"}:
        _put(request, Interrupted(request.get_full_path(), _origin(request), read=True))
        return
    sent = [(name, str(value)) for name, values in request.POST.lists() for value in values if name != CSRF_FIELD]
    secret = {name for name, value in sent if value and (name in unkept or NEVER_KEPT.search(name))}
    fields = tuple((name, value) for name, value in sent if name not in secret)
    missing = tuple(sorted(secret))
    waiting = Interrupted(request.path, _origin(request), fields, missing)
    if len(json.dumps(fields)) > LONGEST or request.FILES:
        waiting = dataclasses.replace(waiting, fields=(), missing=(), complete=False)
    _put(request, waiting)


def _put(request: HttpRequest, waiting: Interrupted) -> None:
    request.session[NAME] = waiting.sealed(_bound_to(request), clock())


def look(request: HttpRequest) -> Interrupted | None:
    """What waits, and goes on waiting."""
    sealed = request.session.get(NAME)
    return Interrupted.opened(sealed, _bound_to(request), clock()) if isinstance(sealed, str) else None


def take(request: HttpRequest) -> Interrupted | None:
    """What waits, once: it is gone from the session afterwards."""
    waiting = look(request)
    request.session.pop(NAME, None)
    return waiting


def _bound_to(request: HttpRequest) -> bytes:
    """It opens in this session of this tenant only."""
    principal: ActingPrincipal = request.principal  # type: ignore[attr-defined]
    return principal.tenant_id.bytes + (principal.session_id or UUID(int=0)).bytes


def _origin(request: HttpRequest) -> str:
    """The page that sent it, if it is ours and not the one that asks for the factor. Always a path of this host."""
    page = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    parts = urlsplit(page)
    path = "/" + parts.path.lstrip("/\\")
    if path == resolve_url(settings.STEP_UP_URL):
        return "/"
    return f"{path}?{parts.query}" if parts.query else path
