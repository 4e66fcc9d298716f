"""oauthlib's questions, answered from the tenant's tables. What changes is in identity.services.agents."""

from typing import Any
from uuid import UUID

from django.conf import settings
from oauth2_provider.oauth2_validators import OAuth2Validator

from identity.models import AgentSession, OAuthApplication
from identity.oauth.clients import find_client
from identity.services import agents
from identity.services.sessions import Client
from identity.tokens import token_id_of
from tenants.isolation.context import current


class Validator(OAuth2Validator):  # type: ignore[misc]
    """Every method that django-oauth-toolkit would answer from its own tables is answered here.

    One is made for each request: `origin` is where that came from, the rest what it is about.
    """

    def __init__(self, origin: Client | None = None) -> None:
        super().__init__()
        self.origin = origin or Client()
        self.agreed: AgentSession | None = None
        self.to_revoke: UUID | None = None

    def _load_application(self, client_id: str, request: Any) -> OAuthApplication | None:
        """Before there is a tenant, as the client describes itself; in one, only if somebody there let it in."""
        known = request.client
        if isinstance(known, OAuthApplication) and known.client_id == client_id:
            return known
        if current() is None:
            described = find_client(client_id or "")
            request.described = described
            found = described.application() if described else None
        else:
            found = agents.application_of(client_id or "")
        request.client = found
        return found

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return False  # all are public; the code verifier, and the rotation of refresh tokens, stand for a secret

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return False

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return self._load_application(client_id, request) is not None

    # Codes

    def save_authorization_code(self, client_id: str, code: Any, request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if self.agreed is None:
            raise LookupError("nobody agreed")
        code["code"] = agents.save_code(  # ours carries the hint at the tenant; oauthlib's own is not used
            self.agreed,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            resource=settings.GATEWAY_RESOURCE,
        )

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return _take(agents.spend_code(code, client, self.origin), request)

    def get_code_challenge(self, code: str, request: Any) -> str:  # noqa: ARG002
        return str(request.presented.row.code_challenge)

    def get_code_challenge_method(self, code: str, request: Any) -> str:  # noqa: ARG002
        return str(request.presented.row.code_challenge_method)

    def confirm_redirect_uri(
        self,
        client_id: str,  # noqa: ARG002
        code: str,  # noqa: ARG002
        redirect_uri: str,
        client: Any,  # noqa: ARG002
        request: Any,
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> bool:
        return bool(request.presented.row.redirect_uri == redirect_uri)

    def invalidate_authorization_code(self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """Spent already, by being presented."""

    # Tokens

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        token["expires_in"] = request.lifetime
        issued = agents.Issued(token_id_of(token["access_token"]), request.lifetime)
        agents.save_refresh_token(request.presented, request.new_refresh, issued=issued, origin=self.origin)

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        return _take(agents.find_refresh_token(refresh_token, client, self.origin), request)

    def get_original_scopes(self, refresh_token: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:  # noqa: ARG002
        return str(request.presented.session.scope).split()

    def rotate_refresh_token(self, request: Any) -> bool:  # noqa: ARG002
        return True

    def revoke_token(self, token: str, token_type_hint: str, request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if self.to_revoke is not None:
            agents.revoke_by_client(self.to_revoke, request.client, self.origin)

    def validate_bearer_token(self, token: str, scopes: Any, request: Any) -> bool:  # noqa: ARG002
        return False  # access tokens are checked by identity.tokens, and only there


def _take(presented: agents.Presented | None, request: Any) -> bool:
    if presented is None:
        return False
    request.presented = presented
    request.scopes = presented.session.scope.split()
    return True
