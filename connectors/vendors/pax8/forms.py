from django import forms

from connectors.settings_fields import AddressField, identifier, request_limit, secret


class Pax8SettingsForm(forms.Form):
    """`client_secret` is never shown again; left empty, the stored one stays."""

    base_url = AddressField(
        domains=("pax8.com",), label="Address of Pax8's API", initial="https://api.pax8.com",
        help_text="https://api.pax8.com for everybody.",
    )  # fmt: skip
    client_id = identifier(
        label="Client ID", help_text="Of an application under Integrations, Developer apps, in Pax8."
    )
    client_secret = secret("Client secret", help_text="It may order and cancel. Sealed as soon as it arrives.")
    request_limit = request_limit(
        "Requests in a minute", "What Pax8 allows your application. Empty: 1000. Calls are paced below it."
    )
