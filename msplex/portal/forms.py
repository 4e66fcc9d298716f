"""What the portal asks people for. The services check everything again."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from django import forms

from identity import forms as identity
from identity.principals import ActingPrincipal, Grant
from identity.roles import ROLES, Role
from tenants.models import KEY_PATTERN, Customer

UNCHOSEN = ("", "Choose one")


class DomainsForm(forms.Form):
    domains = forms.CharField(
        required=False,
        max_length=5000,
        help_text="Of its web site and e-mail addresses, such as acme.example; several with commas."
        " Clients of your systems are compared with them.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_domains(self) -> list[str]:
        return [each for each in re.split(r"[\s,;]+", self.cleaned_data["domains"]) if each]


class CustomerForm(DomainsForm):
    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    key = forms.RegexField(
        KEY_PATTERN,
        label="Short name",
        max_length=63,
        help_text="How agents name this customer, such as acme-dental. It cannot be changed later.",
        error_messages={"invalid": "Use lower-case letters, digits and hyphens, such as acme-dental."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    field_order = ("name", "key", "domains")


class ResumeForm(forms.Form):
    through = forms.UUIDField()
    reason = forms.CharField(max_length=1000)


class FetchForm(forms.Form):
    believe = forms.BooleanField(required=False)


class OwnCredentialsOnlyForm(forms.Form):
    only = forms.BooleanField(required=False)


class ConfirmForm(forms.Form):
    digest = forms.CharField(max_length=64)


class CustomerChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic when it runs
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=Customer.objects, **kwargs)


class ArgumentsField(forms.JSONField):
    """A call's arguments as a JSON object; left empty, none."""

    default_error_messages = {"invalid": "This is no JSON.", "object": 'Give an object, such as {"limit": 5}.'}

    def __init__(self, *, rows: int, help_text: str) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "spellcheck": "false"})
        super().__init__(required=False, widget=widget, help_text=help_text)

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)

    def clean(self, value: Any) -> dict[str, Any]:
        found = super().clean(value)
        if found in self.empty_values:
            return {}
        if not isinstance(found, dict):
            raise forms.ValidationError(self.error_messages["object"], code="object")
        return found


def roles_to_give(principal: ActingPrincipal) -> list[tuple[str, str]]:
    """Those that allow no more than the giver has: tenant-wide, or for one of its customers."""
    scope = principal.scope()
    reach = [None, *(scope or ())] if scope is None else list(scope)
    return [
        (role.value, definition.label)
        for role, definition in ROLES.items()
        if any(principal.covers(Grant(role, customer)) for customer in reach)
    ]


def choose_a_role(form: forms.Form) -> None:
    """Nobody becomes an owner because that role is the first in the list."""
    field = form.fields["role"]
    field.choices = [UNCHOSEN, *field.choices]  # type: ignore[attr-defined]


class BindingForm(forms.Form):
    role = forms.ChoiceField()
    customer = CustomerChoice(required=False, empty_label="Every customer")
    reason = forms.CharField(max_length=500, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    expires_at = forms.DateField(
        label="Until the end of", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, giver: ActingPrincipal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = roles_to_give(giver)  # type: ignore[attr-defined]
        choose_a_role(self)
        self.fields["customer"].queryset = identity.active_customers()  # type: ignore[attr-defined]
        if giver.scope() is not None:
            self.fields["customer"].required = True
            self.fields["customer"].empty_label = "Choose one"  # type: ignore[attr-defined]

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])

    def clean_expires_at(self) -> datetime | None:
        """That day is the last, in UTC."""
        last: date | None = self.cleaned_data["expires_at"]
        return datetime.combine(last, time(23, 59, 59), UTC) if last else None


class InvitationForm(identity.InvitationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_a_role(self)


class ServiceAccountForm(identity.ServiceAccountForm):
    customers = forms.ModelMultipleChoiceField(
        queryset=Customer.objects,
        required=False,
        help_text="It can act for these only. None chosen: for every customer.",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_a_role(self)


class InstanceForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        help_text="Shown to people. A second connection to the same system needs a name that tells them apart.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class MappingForm(forms.Form):
    customer = CustomerChoice(empty_label="Choose one")
    external_id = forms.CharField(
        max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    external_name = forms.CharField(
        label="Name there", max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, choices: object, external_id_label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["customer"].queryset = choices  # type: ignore[attr-defined]
        self.fields["external_id"].label = external_id_label

    def has_choices(self) -> bool:
        return bool(self.fields["customer"].queryset.exists())  # type: ignore[attr-defined]
