"""What is asked about passkeys and the tenant's security. The services check everything again."""

from typing import Any

from django import forms

from identity.models.security import LONGEST_IDLE, LONGEST_SESSION, SHORTEST_IDLE, SHORTEST_SESSION

NO_ANSWER = "The browser sent no passkey. It needs scripts to use one."


class PasskeyForm(forms.Form):
    """Filled in by static/js/passkeys.js."""

    state = forms.CharField(max_length=2000, widget=forms.HiddenInput)
    answer = forms.JSONField(widget=forms.HiddenInput)

    def clean_answer(self) -> dict[str, Any]:
        answer = self.cleaned_data["answer"]
        if not isinstance(answer, dict):
            raise forms.ValidationError("This is not what a browser answers.")
        return answer


class PasskeyNameForm(forms.Form):
    name = forms.CharField(
        max_length=64,
        help_text="Such as: work laptop.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NewPasskeyForm(PasskeyNameForm, PasskeyForm):
    field_order = ("name", "state", "answer")


class SecurityForm(forms.Form):
    idle_minutes = forms.IntegerField(
        label="Sign out when not used for",
        min_value=SHORTEST_IDLE,
        max_value=LONGEST_IDLE,
        help_text=f"Minutes, from {SHORTEST_IDLE} to {LONGEST_IDLE}.",
    )
    session_minutes = forms.IntegerField(
        label="Sign out in any case after",
        min_value=SHORTEST_SESSION,
        max_value=LONGEST_SESSION,
        help_text=f"Minutes, from {SHORTEST_SESSION} (an hour) to {LONGEST_SESSION} (12 hours).",
    )
    passkey_sign_in = forms.TypedChoiceField(
        label="A passkey counts",
        choices=[("False", "as second factor, after the password"), ("True", "also in place of password and code")],
        coerce=lambda chosen: chosen == "True",
        widget=forms.RadioSelect,
        help_text="In place of both, the device checks the person by finger, face or PIN, and newcomers may set up a "
        "passkey without an authenticator app.",
    )
