from django import forms

from connectors.settings_fields import AddressField, request_limit, secret


class GlueSettingsForm(forms.Form):
    """`api_key` is never shown again; left empty, the stored one stays."""

    base_url = AddressField(
        label="Address of the API",
        help_text="By region: https://api.itglue.com, https://api.eu.itglue.com or https://api.au.itglue.com",
        domains=("itglue.com",),
    )
    api_key = secret("API key")
    request_limit = request_limit(
        "Requests in five minutes",
        "What IT Glue allows your account. Empty: 3,000, as documented. Calls are paced below it.",
    )
