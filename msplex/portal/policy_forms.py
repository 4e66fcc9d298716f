"""The form of a rule, and the one that tries a call out. The services check everything again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from approvals.models import ToolRule
from approvals.policy import DAYS, UNVALUED, Comparison
from approvals.rules import CALLERS, DECIDING, MOST_APPROVERS
from connectors.catalogue import all_connectors
from connectors.contract import Risk, Tier
from identity.models import Principal
from identity.roles import ROLES, Role
from identity.serializers import ROLE_CHOICES
from msplex.portal.forms import ArgumentsField, CustomerChoice
from tenants.models import Customer

ANY = ("", "Any")
SPARE = 2  # empty lines for conditions
PLAIN = {"autocomplete": "off", "spellcheck": "false"}


def _any(choices: Any) -> list[tuple[str, str]]:
    return [ANY, *((str(value), str(label)) for value, label in choices)]


def _titled(values: Any) -> list[tuple[str, str]]:
    return [(value, value.replace("_", " ").capitalize()) for value in values]


class ConditionForm(forms.Form):
    path = forms.CharField(label="Argument", max_length=504, required=False, widget=forms.TextInput(attrs=PLAIN))
    test = forms.ChoiceField(label="Test", choices=[ANY, *_titled(Comparison)], required=False)
    value = forms.CharField(label="Value", max_length=500, required=False, widget=forms.TextInput(attrs=PLAIN))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.has_changed():
            return cleaned
        for name in ("path", "test"):
            if not cleaned.get(name):
                self.add_error(name, "Fill this in too, or empty the line.")
        return cleaned

    @property
    def given(self) -> dict[str, Any] | None:
        found = self.cleaned_data
        if not found.get("path"):
            return None
        condition = {"path": found["path"], "test": found["test"]}
        return condition if found["test"] in UNVALUED else condition | {"value": _read(found["value"])}


def _read(text: str) -> Any:
    """A number, true or false, or a text in quotes as JSON has them; anything else is the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _written(value: Any) -> str:
    """What `_read` reads as this value."""
    return value if isinstance(value, str) and _read(value) == value else json.dumps(value)


Conditions = forms.formset_factory(ConditionForm, extra=SPARE)


class RuleForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        help_text="Shown to whoever is refused, such as: No changes outside office hours.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    effect = forms.ChoiceField(label="What it does", choices=ToolRule.Effect.choices)
    approvers = forms.IntegerField(
        label="People who have to agree", min_value=1, max_value=MOST_APPROVERS, required=False,
        help_text="Only where it asks for approval.",
    )  # fmt: skip
    factors = forms.MultipleChoiceField(
        label="With these roles among them", choices=[(role, ROLES[Role(role)].label) for role in DECIDING],
        required=False, widget=forms.CheckboxSelectMultiple, help_text="Each of them another person's.",
    )  # fmt: skip
    enabled = forms.BooleanField(label="Switched on", required=False, initial=True)
    risk = forms.ChoiceField(choices=_any(_titled(Risk)), required=False)
    tier = forms.ChoiceField(choices=_any(_titled(Tier)), required=False)
    connector = forms.ChoiceField(required=False)
    tool = forms.CharField(
        max_length=192, required=False, help_text="As agents call it, such as halopsa_list_tickets. Empty: any.",
        widget=forms.TextInput(attrs=PLAIN),
    )  # fmt: skip
    customer = CustomerChoice(required=False, empty_label="Any")
    role = forms.ChoiceField(label="Role of the caller", choices=_any(ROLE_CHOICES), required=False)
    caller = forms.ChoiceField(label="Kind of caller", choices=_any(_titled(CALLERS)), required=False)
    days = forms.TypedMultipleChoiceField(
        choices=list(enumerate(DAYS)), coerce=int, required=False, widget=forms.CheckboxSelectMultiple,
        help_text="On which it starts. None chosen: every day.",
    )  # fmt: skip
    starts = forms.TimeField(label="From", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    ends = forms.TimeField(
        label="Until", required=False, widget=forms.TimeInput(attrs={"type": "time"}),
        help_text="Earlier than the start: over midnight.",
    )  # fmt: skip
    timezone = forms.CharField(
        label="Time zone", max_length=64, required=False, help_text="Such as Europe/London. Empty: UTC.",
        widget=forms.TextInput(attrs={**PLAIN, "list": "timezones"}),
    )  # fmt: skip

    def __init__(self, data: Any = None, *, rule: ToolRule | None = None) -> None:
        super().__init__(data, initial=_initial(rule) if rule else None)
        self.fields["connector"].choices = _any((each.key, each.name) for each in all_connectors())  # type: ignore[attr-defined]
        lines = [each | {"value": _written(each.get("value", ""))} for each in rule.conditions] if rule else []
        self.conditions = Conditions(self.data if self.is_bound else None, initial=lines, prefix="conditions")

    def is_valid(self) -> bool:
        return super().is_valid() & self.conditions.is_valid()

    @property
    def terms(self) -> dict[str, Any]:
        conditions = [given for line in self.conditions if (given := line.given)]
        return self.cleaned_data | {"approvers": self.cleaned_data["approvers"] or 0, "conditions": conditions}

    def about(self) -> Iterator[forms.BoundField]:
        return (self[name] for name in ("tool", "connector", "risk", "tier", "customer", "role", "caller"))

    def when(self) -> Iterator[forms.BoundField]:
        return (self[name] for name in ("days", "starts", "ends", "timezone"))

    def what(self) -> Iterator[forms.BoundField]:
        return (self[name] for name in ("name", "effect", "approvers", "factors", "enabled"))

    def add_error(self, field: str | None, error: Any) -> None:
        """Of the conditions as well, which are no field of this form."""
        super().add_error(field if field in self.fields else None, error)

    @property
    def timezones(self) -> list[str]:
        return sorted(available_timezones())


def _initial(rule: ToolRule) -> dict[str, Any]:
    names = (
        "name",
        "effect",
        "factors",
        "enabled",
        "risk",
        "tier",
        "connector",
        "tool",
        "role",
        "caller",
        "days",
        "timezone",
    )
    initial = {name: getattr(rule, name) for name in names}
    return initial | {
        "approvers": rule.approvers or None, "customer": rule.customer_id, "starts": rule.starts, "ends": rule.ends,
    }  # fmt: skip


class TryForm(forms.Form):
    principal = forms.ModelChoiceField(label="Caller", queryset=Principal.objects, empty_label="Choose one")
    tool = forms.CharField(max_length=192, widget=forms.TextInput(attrs={**PLAIN, "list": "tools"}))
    customer = CustomerChoice(required=False, empty_label="Not named")
    arguments = ArgumentsField(rows=3, help_text="A JSON object.")
    at = forms.DateTimeField(
        label="When (UTC)", required=False, help_text="Empty: now. Only the clock is another, unless you choose below.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip

    as_it_was = forms.BooleanField(
        label="With the roles, rules and plan of then", required=False, help_text="For a time that is over."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["principal"].queryset = Principal.objects.order_by("label", "id")  # type: ignore[attr-defined]
        self.fields["customer"].queryset = Customer.objects.order_by("name", "id")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any] | None:
        found = super().clean()
        if found and found.get("as_it_was") and found.get("at") and found["at"] > timezone.now():
            self.add_error("at", "Choose a time that is over.")
        return found

    def clean_at(self) -> datetime:
        at: datetime | None = self.cleaned_data["at"]
        return at.replace(tzinfo=UTC) if at else timezone.now()
