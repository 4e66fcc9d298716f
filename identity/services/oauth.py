"""The authorization server's endpoints, each in the context that its input leads to."""

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from audit.actors import Actor
from identity.errors import TokenRefused
from identity.models import OAuthRefreshToken
from identity.oauth.hints import CODE, REFRESH, Hinted
from identity.oauth.requests import AuthorizationRequest, with_issuer
from identity.principals import ActingPrincipal
from identity.services.agents import Wish, start_agent_session
from identity.services.sessions import Client
from identity.tokens import read_access_token
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer

if TYPE_CHECKING:
    from identity.oauth.server import Core


@dataclasses.dataclass(frozen=True, slots=True)
class TokenAnswer:
    status: int
    body: str


INVALID_GRANT = TokenAnswer(400, '{"error": "invalid_grant"}')
UNSUPPORTED = TokenAnswer(400, '{"error": "unsupported_token_type"}')


@transaction.atomic
def connect_agent(
    asked: AuthorizationRequest, *, principal: ActingPrincipal, customer: Customer | None, by: Actor
) -> str:
    """The person agreed: where to send the browser, with the code."""
    session = start_agent_session(principal, Wish(asked.client, asked.scopes, customer), by=by)
    core = _core()
    core.server.request_validator.agreed = session
    headers, _, _ = core.server.create_authorization_response(
        asked.as_uri(), scopes=session.scope.split(), credentials={"client": session.application}
    )
    return with_issuer(headers["Location"])


def answer_token_request(request: HttpRequest, *, client: Client) -> TokenAnswer:
    """authorization_code and refresh_token. What a refused request changed, such as a spent code, is kept."""
    hinted = _hinted(request)
    if hinted is None:
        return INVALID_GRANT
    with acting_for(_context(hinted.tenant_id, hinted.user_id)), transaction.atomic():
        _, _, body, status = _core(client).create_token_response(request)
    return TokenAnswer(status, body)


def _core(origin: Client | None = None) -> "Core":
    """Imported here, because it brings an HTTP client and more that no process but the portal needs."""
    from identity.oauth.server import make_core  # noqa: PLC0415 - see above

    return make_core(origin)


def _hinted(request: HttpRequest) -> Hinted | None:
    if request.POST.get("grant_type") == "authorization_code":
        return Hinted.read(request.POST.get("code", ""), CODE)
    return Hinted.read(request.POST.get("refresh_token", ""), REFRESH)


def _context(tenant: UUID, user: UUID) -> Context:
    return Context(tenant, customers=(), principal=user)


def revoke_token(request: HttpRequest, *, client: Client) -> TokenAnswer:
    """RFC 7009. A token that is not ours, or is over already, is as good as revoked; automation's cannot be."""
    token = request.POST.get("token", "")
    if _is_of_automation(token):
        return UNSUPPORTED
    hinted, agent = Hinted.read(token, REFRESH), _agent_of(token)
    if hinted is None and agent is None:
        return TokenAnswer(200, "")
    tenant, user = (hinted.tenant_id, hinted.user_id) if hinted else agent[:2]  # type: ignore[index]
    with acting_for(_context(tenant, user)), transaction.atomic():
        core = _core(client)
        core.server.request_validator.to_revoke = _session_of(hinted) if hinted else agent[2]  # type: ignore[index]
        _, _, body, status = core.create_revocation_response(request)
    return TokenAnswer(status, body or "")


def _is_of_automation(token: str) -> bool:
    """It ends with its secret or key, which people revoke: to say that it is revoked now would not be true."""
    for audience in (settings.GATEWAY_RESOURCE, settings.API_RESOURCE):
        with contextlib.suppress(TokenRefused):
            return read_access_token(token, audience=audience).agent_session_id is None
    return False


def _agent_of(token: str) -> tuple[UUID, UUID, UUID] | None:
    try:
        claims = read_access_token(token, audience=settings.GATEWAY_RESOURCE)
    except TokenRefused:
        return None
    session = claims.agent_session_id
    return (claims.tenant_id, claims.principal_id, session) if session else None


def _session_of(hinted: Hinted) -> Any:
    found = OAuthRefreshToken.objects.filter(token_checksum=hinted.digest)
    return found.values_list("agent_session_id", flat=True).first()
