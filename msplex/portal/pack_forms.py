"""What is asked about packs. The services check everything again."""

from datetime import UTC, datetime
from typing import Any

from django import forms

from audit.models import HandoverDomain, Pack
from audit.packs.cutting import month_of
from msplex.portal.forms import CustomerChoice


class PackForm(forms.Form):
    customer = CustomerChoice(empty_label="Choose one")
    actor_filter = forms.ChoiceField(
        label="Details of", required=False, help_text="A handover pack shows the details of your own people only."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["actor_filter"].choices = filters_to_choose()  # type: ignore[attr-defined]

    @property
    def month(self) -> str:
        return month_of(datetime.now(UTC))


class HandoverForm(forms.Form):
    actor_filter = forms.ChoiceField(label="Details of")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["actor_filter"].choices = filters_to_choose()[1:]  # type: ignore[attr-defined]


def filters_to_choose() -> list[tuple[str, str]]:
    verified = HandoverDomain.objects.filter(verified_at__isnull=False).order_by("name")
    return [("", "everybody"), *((f"@{each.name}", f"people of {each.name}") for each in verified)]


class DomainForm(forms.Form):
    domain = forms.CharField(
        max_length=253,
        help_text="The domain of your people's e-mail addresses, such as msp.example.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class CosignatureForm(forms.Form):
    customer = CustomerChoice(empty_label="Choose one")
    witness = forms.CharField(
        label="Public witness key", max_length=400, help_text="As `witness` prints it: name+id+key.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    note = forms.CharField(
        label="Cosigned checkpoint", max_length=20_000, strip=False,
        help_text="The whole text that `witness` has written.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )  # fmt: skip


class PackNarrowing(forms.Form):
    """The list's filters; what does not make sense narrows nothing."""

    customer = CustomerChoice(required=False, empty_label="Every customer")
    month = forms.RegexField(
        r"\A[0-9]{4}-[0-9]{2}\Z", required=False, widget=forms.TextInput(attrs={"placeholder": "2026-04"})
    )

    def chosen(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


def events_of(pack: Pack) -> int | None:
    return None if pack.k_to is None or pack.k_from is None else pack.k_to - pack.k_from
