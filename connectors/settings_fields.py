"""Fields that the settings forms of connectors have in common."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from connectors.addresses import clean_address
from connectors.canary import MINIMUM_LENGTH

_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class AddressField(forms.CharField):
    """`domains`: the vendor's own, or none where people run it themselves. See connectors.addresses."""

    def __init__(self, *, domains: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(max_length=200, widget=forms.URLInput(attrs=dict(_PLAIN)), **options)
        self._domains = domains

    def clean(self, value: Any) -> str:
        return clean_address(super().clean(value), domains=self._domains)


def identifier(pattern: str = r"[A-Za-z0-9._-]{3,100}", **options: Any) -> forms.RegexField:
    """A name that the vendor gave, and that is no secret."""
    wrong = {"invalid": "Copy it exactly as it is shown there, without spaces."}
    widget = forms.TextInput(attrs=dict(_PLAIN))
    return forms.RegexField(rf"\A{pattern}\Z", error_messages=wrong, widget=widget, **options)


def secret(label: str, *, help_text: str = "Sealed as soon as it arrives; nobody can read it back.") -> forms.CharField:
    """Never shown again; left empty, the stored one stays."""
    return forms.CharField(
        label=label,
        required=False,
        min_length=MINIMUM_LENGTH * 2,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=help_text,
        validators=[_one_line],
    )


def request_limit(label: str, help_text: str) -> forms.IntegerField:
    """What the vendor allows this connection, where it is not what it documents for everybody."""
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=30,
        max_value=1_000_000,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )


def _one_line(value: str) -> None:
    if not value.isprintable():
        message = "The secret holds characters that cannot be part of one."
        raise ValidationError(message, code="secret")
