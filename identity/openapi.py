"""How callers authenticate, for the API's description."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "identity.api_defaults.PrincipalAuthentication"
    name = ["bearer", "session"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {
                "type": "oauth2",
                "description": "A service account's secret, exchanged for a token that lives 15 minutes.",
                "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "msplex_session",
                "description": "A browser's session. Requests that change something carry X-CSRFToken.",
            },
        ]
