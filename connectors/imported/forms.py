from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django import forms
from django.core.exceptions import ValidationError

from connectors.addresses import clean_address
from connectors.imported.signing_in import BEARER, HEADER, HEADER_NAME, NOT_THEIRS
from connectors.settings_fields import request_limit, secret


class EndpointField(forms.CharField):
    """An address with a path. Where it may lead: clean_address, and connectors.network at each call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=300, widget=forms.URLInput(attrs={"autocomplete": "off"}), **options)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
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
        choices=((BEARER, "Authorization: Bearer"), (HEADER, "A header of its own")),
        initial=BEARER,
        required=False,
    )
    header = forms.CharField(
        label="Name of that header", required=False, max_length=64, help_text="Such as X-Api-Key; else leave it empty."
    )
    key = secret("Key")
    request_limit = request_limit(
        "Requests in a minute", "What the server allows this connection. Empty: 120. Calls are paced below it."
    )

    def clean_sign_in(self) -> str:
        return self.cleaned_data["sign_in"] or BEARER

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name = cleaned.get("header", "")
        if cleaned.get("sign_in") != HEADER:
            cleaned["header"] = ""
        elif not HEADER_NAME.match(name) or name.lower() in NOT_THEIRS:
            self.add_error("header", "Give the name of the header that takes the key.")
        return cleaned


class McpForm(ServerForm):
    address = EndpointField(label="Address of the MCP server", help_text="For example https://mcp.example.com/mcp")
