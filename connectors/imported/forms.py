from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django import forms
from django.core.exceptions import ValidationError

from connectors.addresses import clean_address
from connectors.imported.signing_in import BASIC, BEARER, HEADER, HEADER_NAME, NOT_THEIRS
from connectors.settings_fields import request_limit, secret

WAYS = (
    (BEARER, "Authorization: Bearer"),
    (BASIC, "Authorization: Basic, as the password"),
    (HEADER, "A header of its own"),
)


class EndpointField(forms.CharField):
    """An address with a path. Where it may lead: clean_address, and connectors.network at each call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=300, widget=forms.URLInput(attrs={"autocomplete": "off"}), **options)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
        if not text:
            return ""
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.query or parts.fragment or ".." in parts.path or not parts.path.isascii():
            message = "Give an address without parameters."
            raise ValidationError(message, code="address")
        origin: str = urlunsplit(parts._replace(path=""))
        return clean_address(origin) + parts.path.rstrip("/")


class ServerForm(forms.Form):
    """`key` is never shown again; left empty, the stored one stays."""

    address = EndpointField(label="Address")
    sign_in = forms.ChoiceField(
        label="The key is sent as",
        choices=WAYS,
        initial=BEARER,
        required=False,
    )
    header = forms.CharField(
        label="Name of that header", required=False, max_length=64, help_text="Such as X-Api-Key; else leave it empty."
    )
    user = forms.CharField(
        label="User name", required=False, max_length=200, help_text="With Basic; else leave it empty."
    )
    key = secret("Key")
    request_limit = request_limit(
        "Requests in a minute", "What the server allows this connection. Empty: 120. Calls are paced below it."
    )

    def clean_sign_in(self) -> str:
        return self.cleaned_data["sign_in"] or BEARER

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name, user, way = cleaned.get("header", ""), cleaned.get("user", ""), cleaned.get("sign_in")
        if way != HEADER:
            cleaned["header"] = ""
        elif not HEADER_NAME.match(name) or name.lower() in NOT_THEIRS:
            self.add_error("header", "Give the name of the header that takes the key.")
        if way != BASIC:
            cleaned["user"] = ""
        elif not user or ":" in user or not user.isprintable():
            self.add_error("user", "Give the name that goes with the password, without a colon.")
        return cleaned


class McpForm(ServerForm):
    address = EndpointField(label="Address of the MCP server", help_text="For example https://mcp.example.com/mcp")


class OpenApiForm(ServerForm):
    """Without the address of a description people give its text (connectors.imported.openapi.describing)."""

    address = EndpointField(
        label="Address of the API", help_text="What stands before every path, such as https://api.example.com/v2"
    )
    description = EndpointField(
        label="Address of its OpenAPI description",
        required=False,
        help_text="Looked at once a day. The key goes there only if the API is on the same host. Empty: give the text.",
    )
    paths = forms.RegexField(
        r"\A/[A-Za-z0-9._~/{}-]*\Z",
        label="Only paths that begin with",
        required=False,
        max_length=200,
        help_text="For a description of more than 1,000 operations, such as /tickets. Empty: all.",
    )
    check = forms.RegexField(
        r"\A(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+(\?[A-Za-z0-9._~=&,-]*)?\Z",
        label="Path of the health check",
        max_length=200,
        help_text="Answers a GET with JSON, and only if the key is good: such as /me",
    )
    field_order = ("address", "description", "paths", "check", "sign_in", "header", "user", "key", "request_limit")
