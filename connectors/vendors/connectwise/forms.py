from django import forms

from connectors.settings_fields import AddressField, identifier, request_limit, secret

_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class ConnectWiseSettingsForm(forms.Form):
    """The private key is never shown again; left empty, the stored one stays."""

    base_url = AddressField(
        label="Address of your ConnectWise",
        help_text="Hosted: https://api-na.myconnectwise.net (or api-eu, api-au). Your own server: its address.",
    )
    company_id = identifier(
        r"[A-Za-z0-9_.-]{1,60}", label="Company ID", help_text="What you give when you sign in to ConnectWise PSA."
    )
    public_key = identifier(
        r"[A-Za-z0-9_-]{6,60}", label="Public key", help_text="Of an API member of its own, under System, Members."
    )
    private_key = secret("Private key")
    client_id = identifier(
        _GUID, label="Client ID", help_text="Of your integration, from developer.connectwise.com: a GUID."
    )
    asset_product = forms.CharField(
        label="Product that bills assets",
        required=False,
        max_length=100,
        help_text="Its identifier in agreements, such as MANAGED-DEVICE: the billing overview compares its quantity"
        " with what is counted. Empty: nothing is compared.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    request_limit = request_limit(
        "Requests in a minute",
        "What your server takes. Empty: 300; ConnectWise documents no number. Calls are paced below it.",
    )
