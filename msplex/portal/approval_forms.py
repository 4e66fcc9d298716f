"""What the portal asks people about requests for approval. The services check everything again."""

from typing import Any

from django import forms

from msplex.portal.asking import MOST_APPROVERS
from msplex.portal.forms import ArgumentsField, CustomerChoice
from tenants.models import Customer

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class VoteForm(forms.Form):
    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)
    code = forms.CharField(
        label="Code of your authenticator app",
        max_length=10,
        widget=forms.TextInput(attrs={**PLAIN, "autocomplete": "one-time-code", "inputmode": "numeric"}),
        help_text="The next one, used for nothing else. It is your signature under exactly this.",
    )


class RejectForm(forms.Form):
    reason = forms.CharField(max_length=500, label="Why not", widget=forms.Textarea(attrs={"rows": 2}))


class CommentForm(forms.Form):
    text = forms.CharField(max_length=1000, label="Comment", widget=forms.Textarea(attrs={"rows": 2}))


class WishForm(forms.Form):
    tool = forms.CharField(
        max_length=192, widget=forms.TextInput(attrs={**PLAIN, "list": "tools"}), help_text="As agents call it."
    )
    customer = CustomerChoice(empty_label="Choose one")
    others = forms.ModelMultipleChoiceField(
        queryset=Customer.objects,
        label="And for these customers, too",
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 5}),
        help_text="Decided about together, with the same arguments. Each is run by a call of its own.",
    )
    arguments = ArgumentsField(rows=6, help_text="A JSON object, exactly as the call will have it.")
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))
    ticket = forms.CharField(max_length=100, required=False, widget=forms.TextInput(attrs=PLAIN))
    approvers = forms.IntegerField(
        label="People who have to agree",
        required=False,
        min_value=1,
        max_value=MOST_APPROVERS,
        help_text="Empty: as many as the policy says. More is possible, fewer is not.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["others"].queryset = Customer.objects.order_by("name", "id")  # type: ignore[attr-defined]
        self.fields["customer"].queryset = Customer.objects.order_by("name", "id")  # type: ignore[attr-defined]
