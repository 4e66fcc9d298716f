from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from connectors.canary import MINIMUM_LENGTH


class HaloSettingsForm(forms.Form):
    """`client_secret` is never shown again; left empty, the stored one stays."""

    base_url = forms.CharField(
        label="Address of your HaloPSA",
        max_length=200,
        help_text="For example https://yourname.halopsa.com",
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    client_id = forms.RegexField(
        r"\A[A-Za-z0-9._-]{3,100}\Z",
        label="Client ID",
        help_text="Of an application under Integrations, HaloPSA API, that signs in with client credentials.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    client_secret = forms.CharField(
        label="Client secret",
        required=False,
        min_length=MINIMUM_LENGTH * 2,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sealed as soon as it arrives; nobody can read it back.",
    )

    request_limit = forms.IntegerField(
        label="Requests in five minutes",
        required=False,
        min_value=30,
        max_value=1_000_000,
        help_text="What HaloPSA allows your instance. Empty: 300, as on its own hosting. Calls are paced below it.",
        widget=forms.NumberInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )

    def clean_base_url(self) -> str:
        value: str = self.cleaned_data["base_url"].strip().rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            message = "Give an address that starts with https://"
            raise ValidationError(message, code="address")
        if parts.scheme == "http" and not settings.VENDOR_NETWORKS:
            message = "The address must start with https://"
            raise ValidationError(message, code="address")
        if parts.query or parts.fragment or parts.path:
            message = "Give the address only, without a path."
            raise ValidationError(message, code="address")
        return value

    def clean_client_secret(self) -> str:
        value: str = self.cleaned_data["client_secret"]
        if not value.isprintable():
            message = "The secret holds characters that cannot be part of one."
            raise ValidationError(message, code="secret")
        return value
