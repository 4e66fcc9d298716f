from django import forms

from connectors.settings_fields import AddressField, identifier, request_limit, secret


class NinjaSettingsForm(forms.Form):
    """`client_secret` is never shown again; left empty, the stored one stays."""

    base_url = AddressField(
        label="Address of your NinjaOne",
        help_text="By region: https://app.ninjarmm.com, or us2, eu, ca, oc, fed instead of app.",
        domains=("ninjarmm.com",),
    )
    client_id = identifier(
        label="Client ID",
        help_text="Of an API Services (machine-to-machine) application that may use client credentials.",
    )
    client_secret = secret("Client secret")
    script_ids = forms.RegexField(
        r"\A[1-9][0-9]{0,8}( *, *[1-9][0-9]{0,8}){0,99}\Z",
        label="Scripts that may be run",
        required=False,
        help_text="Their ids, separated by commas. Empty: none.",
        error_messages={"invalid": "Give ids of scripts, separated by commas, such as 12, 15."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    request_limit = request_limit(
        "Requests in a minute", "NinjaOne publishes no limit. Empty: 300. Calls are paced below it."
    )
