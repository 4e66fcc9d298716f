"""Opens the tenant's context for a request, as narrow as can be, checks who it is, and only then widens it."""

import dataclasses
import uuid
from collections.abc import Callable
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from identity.cookies import SessionCookie, clear_session_cookie, device_cookie_name
from identity.errors import PrincipalRefused, TenantSuspended, TokenRefused
from identity.models import User
from identity.principals import ActingPrincipal, PrincipalKind
from identity.responses import is_committed
from identity.rest import plain_problem
from identity.selectors import acting_principal
from identity.services.sessions import Client
from identity.sessions import NoSession, TenantSession, live_session
from identity.tokens import Claims, load_principal, read_access_token
from tenants.errors import DomainError
from tenants.isolation.context import Context, acting_for

GetResponse = Callable[[HttpRequest], HttpResponseBase]
API_PREFIX = "/api/"
# Without a context: nothing of a tenant is there.
OUTSIDE = ("/static/", "/app/", "/healthz", "/readyz", "/oauth/", "/.well-known/", "/links/", "/hooks/", "/held/")
REQUEST_ID_LENGTH = 64


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """Who a credential turned out to be, and the session it came with."""

    principal: ActingPrincipal
    session: TenantSession | None = None


class PrincipalMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        _nobody(request)
        if request.path.startswith(OUTSIDE):
            return self.get_response(request)
        if request.path.startswith(API_PREFIX) and "Authorization" in request.headers:
            return self._by_token(request)
        sealed = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        return self._by_cookie(request, sealed) if sealed else self.get_response(request)

    def _by_token(self, request: HttpRequest) -> HttpResponseBase:
        try:
            claims, address = _bearer(request), _client(request).address
            return self._within(
                request, claims.tenant_id, claims.principal_id, lambda: _Entry(load_principal(claims, address))
            )
        except TokenRefused:
            return _unauthorized()
        except TenantSuspended as suspended:
            return self._refused(request, suspended)

    def _by_cookie(self, request: HttpRequest, sealed: str) -> HttpResponseBase:
        cookie = SessionCookie.read(sealed)
        if cookie is None:
            return self._signed_out(request)
        try:
            return self._within(
                request, cookie.tenant_id, cookie.principal_id, lambda: _by_session(cookie, attended=_attended(request))
            )
        except PrincipalRefused:
            return self._signed_out(request)
        except TenantSuspended as suspended:
            return self._refused(request, suspended)

    def _refused(self, request: HttpRequest, error: DomainError) -> HttpResponseBase:
        """What is for everyone, such as signing out, stays; all else is refused with this error."""
        _nobody(request)
        request.refused = error  # type: ignore[attr-defined]
        return self.get_response(request)

    def _signed_out(self, request: HttpRequest) -> HttpResponseBase:
        _nobody(request)
        response = self.get_response(request)
        clear_session_cookie(response)
        return response

    def _within(
        self, request: HttpRequest, tenant: UUID, principal_id: UUID, enter: Callable[[], _Entry]
    ) -> HttpResponseBase:
        """The whole request in one transaction: first narrow, then as wide as the principal's bindings."""
        narrow = Context(tenant, customers=(), principal=principal_id)
        with acting_for(narrow), transaction.atomic():
            entry = enter()
            if not entry.principal.tenant_active:
                raise TenantSuspended
            with acting_for(dataclasses.replace(narrow, customers=entry.principal.scope())):
                _somebody(request, entry)
                return self._respond(request, entry.session)

    def _respond(self, request: HttpRequest, session: TenantSession | None) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            response.render()
        if response.status_code >= HTTPStatus.BAD_REQUEST and not is_committed(response):
            transaction.set_rollback(True)
        elif session is not None and session.modified:
            session.save()
        return response


def _client(request: HttpRequest) -> Client:
    given = request.headers.get("X-Request-ID", "")
    safe = given.isascii() and given.replace("-", "").isalnum() and len(given) <= REQUEST_ID_LENGTH
    return Client(
        address=request.META.get("REMOTE_ADDR", ""),
        user_agent=request.headers.get("User-Agent", ""),
        request_id=given if safe else uuid.uuid4().hex,
        device=request.COOKIES.get(device_cookie_name(), ""),
    )


def _nobody(request: HttpRequest) -> None:
    request.client = _client(request)  # type: ignore[attr-defined]
    request.principal = None  # type: ignore[attr-defined]
    request.refused = None  # type: ignore[attr-defined]
    request.actor = None  # type: ignore[attr-defined]
    request.user = AnonymousUser()
    request.session = NoSession()


def _somebody(request: HttpRequest, entry: _Entry) -> None:
    client: Client = request.client  # type: ignore[attr-defined]
    request.principal = entry.principal  # type: ignore[attr-defined]
    request.actor = entry.principal.actor(client.address, client.request_id)  # type: ignore[attr-defined]
    request.session = entry.session or NoSession()
    if entry.principal.kind is PrincipalKind.USER:
        request.user = User.objects.select_related("principal").get(id=entry.principal.id)


def _bearer(request: HttpRequest) -> Claims:
    scheme, _, token = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefused("token_malformed")
    return read_access_token(token.strip(), audience=settings.API_RESOURCE)


def _attended(request: HttpRequest) -> bool:
    """Pages that ask again by themselves say so (`X-Unattended`)."""
    return "X-Unattended" not in request.headers


def _by_session(cookie: SessionCookie, *, attended: bool) -> _Entry:
    row = live_session(cookie, attended=attended)
    if row is None:
        raise PrincipalRefused
    principal = acting_principal(cookie.principal_id, epoch=row.epoch)
    return _Entry(dataclasses.replace(principal, mfa_at=row.mfa_at, session_id=row.pk), TenantSession(row))


def _unauthorized() -> HttpResponseBase:
    """One answer, whatever is wrong with the token."""
    answer = plain_problem(401, "invalid_token", "The access token is not valid. Get another one.")
    answer["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return answer
