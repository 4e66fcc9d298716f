"""An MCP client of a person, step by step, so that each step can be done wrong."""

import base64
import dataclasses
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.test import Client as Browser

from identity.roles import Role
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_member

CALLBACK = "http://127.0.0.1:3334/callback"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def answer_of(response: HttpResponse) -> dict[str, str]:
    """What the client reads from the address that it is called back at."""
    return {key: values[0] for key, values in parse_qs(urlsplit(response["Location"]).query).items()}


@dataclasses.dataclass
class McpClient:
    client_id: str
    verifier: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(48))
    redirect_uri: str = CALLBACK

    @classmethod
    def registered(cls, name: str = "Claude Code", redirect_uri: str = CALLBACK, **more: Any) -> "McpClient":
        body = {"client_name": name, "redirect_uris": [redirect_uri], **more}
        made = Browser(REMOTE_ADDR=some_address()).post("/oauth/register", body, content_type="application/json")
        assert made.status_code == 201, made.content
        return cls(made.json()["client_id"], redirect_uri=redirect_uri)

    def asks(self, **changes: str | None) -> str:
        """The address of its authorization request."""
        fields = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": "a state",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            "resource": settings.GATEWAY_RESOURCE,
        } | changes
        return f"/oauth/authorize?{urlencode({key: value for key, value in fields.items() if value is not None})}"

    def authorize(self, browser: Browser, **changes: str | None) -> HttpResponse:
        return browser.get(self.asks(**changes), REMOTE_ADDR=some_address())

    def consent(self, browser: Browser, customer: Customer | None, **changes: str | None) -> HttpResponse:
        onward = self.authorize(browser, **changes)
        assert onward.status_code == 302, onward.content
        return browser.post(onward["Location"], {"customer": str(customer.pk) if customer else "*", "allow": ""})

    def code(self, person: Person, customer: Customer | None, **changes: str | None) -> str:
        response = self.consent(person.browser(), customer, **changes)
        assert response.status_code == 302, response.content
        return answer_of(response)["code"]

    def exchange(self, code: str, **changes: str | None) -> HttpResponse:
        return self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=self.redirect_uri,
            code_verifier=self.verifier,
            **changes,
        )

    def refresh(self, refresh_token: str, **changes: str | None) -> HttpResponse:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def token(self, **fields: str | None) -> HttpResponse:
        sent = {"client_id": self.client_id, "resource": settings.GATEWAY_RESOURCE} | fields
        return Browser().post("/oauth/token", {key: value for key, value in sent.items() if value is not None})

    def tokens(self, person: Person, customer: Customer | None, **changes: str | None) -> dict[str, Any]:
        response = self.exchange(self.code(person, customer, **changes))
        assert response.status_code == 200, response.content
        return response.json()


def some_address() -> str:
    """One of its own for each request, so that tests do not meet each other at the pace."""
    return f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


def bob(world: TenantWorld | None = None, role: Role = Role.OPERATOR) -> Person:
    return make_member(world or make_tenant(), role, name="bob")


def consent_page(person: Person, client: McpClient) -> tuple[Browser, str]:
    browser = person.browser()
    return browser, client.authorize(browser)["Location"]
