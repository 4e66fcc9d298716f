from django import forms

from connectors.settings_fields import AddressField, identifier, request_limit, secret


class HaloSettingsForm(forms.Form):
    """`client_secret` is never shown again; left empty, the stored one stays."""

    base_url = AddressField(label="Address of your HaloPSA", help_text="For example https://yourname.halopsa.com")
    client_id = identifier(
        label="Client ID",
        help_text="Of an application under Integrations, HaloPSA API, that signs in with client credentials.",
    )
    client_secret = secret("Client secret")
    request_limit = request_limit(
        "Requests in five minutes",
        "What HaloPSA allows your instance. Empty: 300, as on its own hosting. Calls are paced below it.",
    )
