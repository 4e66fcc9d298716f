"""What the portal asks people about grants that are held in advance. The services check everything again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms

from approvals.held.models import HostAgent
from approvals.held.playbooks import CONTINUE, MOST_STEPS, STOP
from approvals.held.selectors import agents_that_hold
from approvals.held.terms import MOST_MINUTES, MOST_USES
from msplex.portal.approval_forms import PLAIN
from msplex.portal.asking import MOST_APPROVERS
from msplex.portal.forms import ArgumentsField, CustomerChoice
from tenants.models import Customer

MOMENT = "%Y-%m-%dT%H:%M"


class AgentChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic when it runs
    def label_from_instance(self, agent: HostAgent) -> str:
        return f"{agent.asset.name}, {agent.customer.name}"


class UtcField(forms.DateTimeField):
    """A moment of UTC, as browsers give it."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
        super().__init__(widget=widget, input_formats=[MOMENT, f"{MOMENT}:%S"], **kwargs)

    def clean(self, value: Any) -> datetime | None:
        found: datetime | None = super().clean(value)
        return found.replace(tzinfo=UTC) if found else None


class StepsField(forms.JSONField):
    """A JSON list of further steps; left empty, none."""

    message = 'Give a list such as [{"tool": "ninjaone_reboot_device", "arguments": {"device_id": 7, "reason": "x"}}].'

    def __init__(self) -> None:
        widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
        help_text = f"Further steps, done in this order: {self.message[5:]} At most {MOST_STEPS} with the first."
        super().__init__(required=False, label="And then", widget=widget, help_text=help_text)

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)

    def clean(self, value: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
        found = super().clean(value)
        steps = [] if found in self.empty_values else found
        if not isinstance(steps, list) or not all(_is_step(each) for each in steps):
            raise forms.ValidationError(self.message, code="steps")
        return tuple((each["tool"], each.get("arguments", {})) for each in steps)


def _is_step(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and set(given) <= {"tool", "arguments"}
        and isinstance(given.get("tool"), str)
        and isinstance(given.get("arguments", {}), dict)
    )


class GrantForm(forms.Form):
    agent = AgentChoice(queryset=HostAgent.objects, label="Host agent", empty_label="Choose one")
    tool = forms.CharField(
        max_length=192, widget=forms.TextInput(attrs={**PLAIN, "list": "tools"}), help_text="As agents call it."
    )
    arguments = ArgumentsField(rows=5, help_text="A JSON object. The host does exactly this, and nothing else.")
    then = StepsField()
    on_failure = forms.ChoiceField(
        label="When a step fails",
        choices=[(STOP, "Stop: the steps after it are not done"), (CONTINUE, "Go on with the next")],
        initial=STOP,
        required=False,
        help_text="Only if there is more than one. A step of which nobody knows what became has failed.",
    )
    heartbeat_lost_minutes = forms.IntegerField(
        label="Minutes without contact to MSPlex",
        required=False,
        min_value=1,
        max_value=MOST_MINUTES,
        help_text="It may be used once the host has been without contact for longer. Empty: that is no reason.",
    )
    critical_alert = forms.BooleanField(label="A critical alert at the host", required=False)
    not_before = UtcField(label="Not before (UTC)", required=False, help_text="Empty: as soon as it is issued.")
    not_after = UtcField(label="Not after (UTC)", help_text="Within 31 days.")
    uses = forms.IntegerField(label="How often", min_value=1, max_value=MOST_USES, initial=1)
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))
    ticket = forms.CharField(max_length=100, required=False, widget=forms.TextInput(attrs=PLAIN))
    approvers = forms.IntegerField(
        label="People who have to agree",
        required=False,
        min_value=1,
        max_value=MOST_APPROVERS,
        help_text="Empty: as many as the policy says, and one at the least.",
    )
    code = forms.CharField(
        label="Code of your authenticator app",
        max_length=10,
        required=False,
        widget=forms.TextInput(attrs={**PLAIN, "autocomplete": "one-time-code", "inputmode": "numeric"}),
        help_text="The next one, used for nothing else. With passkeys only, leave it empty.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].queryset = agents_that_hold().order_by("asset__name", "id")  # type: ignore[attr-defined]
        self.fields["not_after"].initial = datetime.now(UTC) + timedelta(hours=12)


class RevokeForm(forms.Form):
    reason = forms.CharField(max_length=500, label="Why", widget=forms.Textarea(attrs={"rows": 2}))


class HostAgentForm(forms.Form):
    customer = CustomerChoice(empty_label="Choose one")
    name = forms.CharField(
        label="Host", max_length=200, widget=forms.TextInput(attrs=PLAIN), help_text="Its name, such as SRV-DC01."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = Customer.objects.filter(status=Customer.Status.ACTIVE).order_by("name", "id")
        self.fields["customer"].queryset = active  # type: ignore[attr-defined]
