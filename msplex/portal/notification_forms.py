"""What is asked about how somebody, or the tenant, is told. The services check everything again."""

from typing import Any
from zoneinfo import available_timezones

from django import forms

from approvals.notifications.models import Severity
from approvals.notifications.settings import LONGEST_WAIT
from approvals.notifications.tokens import LONGEST_TOKEN

URL = forms.TextInput(
    attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "url"}
)
CLOCK = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class SeveritiesField(forms.MultipleChoiceField):
    def __init__(self, **given: Any) -> None:
        super().__init__(choices=Severity.choices, required=False, widget=forms.CheckboxSelectMultiple, **given)


class PreferencesForm(forms.Form):
    email = SeveritiesField(label="By e-mail")
    ntfy = SeveritiesField(label="On my phone (ntfy)")
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=CLOCK)
    quiet_until = forms.TimeField(
        label="Quiet until", required=False, widget=CLOCK, help_text="What comes meanwhile is sent when this is over."
    )
    timezone = forms.ChoiceField(label="Time zone")
    critical_breaks_through = forms.TypedChoiceField(
        label="Critical ones",
        choices=[("True", "come through quiet hours"), ("False", "wait as well")],
        coerce=lambda chosen: chosen == "True",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())]
        self.fields["timezone"].choices = zones  # type: ignore[attr-defined]


class NtfyTokenForm(forms.Form):
    """What is there already is not shown."""

    token = forms.CharField(
        label="Access token",
        required=False,
        max_length=LONGEST_TOKEN,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Of a user who may only write to msplex-*. Empty: messages are published without one.",
    )


class ChannelsForm(forms.Form):
    ntfy_server = forms.CharField(
        label="ntfy server",
        max_length=200,
        required=False,
        widget=URL,
        help_text="Such as https://ntfy.example.org. Unless everybody may publish to msplex-* there, give a token.",
    )
    webhook_url = forms.CharField(
        label="Webhook",
        max_length=500,
        required=False,
        widget=URL,
        help_text="Each message is posted there as JSON, signed (Standard Webhooks).",
    )
    webhook_severities = SeveritiesField(label="To the webhook")
    escalate_minutes = forms.IntegerField(
        label="Pass on after",
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text="Minutes in which nobody has seen to it: then everybody who could is told again, over every channel."
        " 0: never.",
    )
