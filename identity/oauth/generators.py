"""What the settings name for django-oauth-toolkit: how the two kinds of token are made. They never look alike."""

from typing import Any

from identity.oauth.hints import REFRESH, Hinted
from identity.services.agents import keep_alive
from identity.tokens import issue_agent_token


def access_token(request: Any, refresh_token: bool = False) -> str:  # noqa: ARG001 -- oauthlib's signature
    keep_alive(request.presented)
    presented = request.presented
    token, request.lifetime = issue_agent_token(
        presented.session, principal=presented.principal, scope=" ".join(request.scopes)
    )
    return token


def refresh_token(request: Any, refresh_token: bool = False) -> str:  # noqa: ARG001
    """Random, and only we can open it: no resource server would take it for an access token."""
    principal = request.presented.principal
    request.new_refresh = Hinted.new(principal.tenant_id, principal.id)
    return str(request.new_refresh.sealed(REFRESH))
