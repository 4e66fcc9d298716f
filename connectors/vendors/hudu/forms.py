from django import forms

from connectors.settings_fields import AddressField, request_limit, secret


class HuduSettingsForm(forms.Form):
    """`api_key` is never shown again; left empty, the stored one stays."""

    base_url = AddressField(label="Address of your Hudu", help_text="For example https://yourname.huducloud.com")
    api_key = secret("API key")
    request_limit = request_limit(
        "Requests in a minute", "What your Hudu allows. Empty: 300, as documented. Calls are paced below it."
    )
