"""Which file of which month; and the price list."""

from datetime import date
from decimal import Decimal

from django import forms
from django.http import QueryDict

from billing.exports import Format, What
from billing.limits import MOST_A_MINUTE, MOST_CALLS

MOST_FREE = 100_000


class PricesForm(forms.Form):
    free_assets = forms.IntegerField(
        label="Free assets", min_value=0, max_value=MOST_FREE, help_text="Of each customer, in each month."
    )
    asset_price = forms.DecimalField(
        label="Price of each further one, a month", min_value=Decimal(0), max_digits=10, decimal_places=2
    )
    currency = forms.RegexField(
        r"\A[A-Z]{3}\Z", label="Currency", help_text="As in ISO 4217, such as EUR.",
        error_messages={"invalid": "Write three capital letters, such as EUR."},
    )  # fmt: skip


class LimitForm(forms.Form):
    monthly_calls = forms.IntegerField(
        label="Calls of a month", min_value=0, max_value=MOST_CALLS, required=False,
        help_text="Leave it empty for as many as the plan has; 0 refuses every call.",
    )  # fmt: skip
    calls_per_minute = forms.IntegerField(
        label="Calls of a minute", min_value=1, max_value=MOST_A_MINUTE, required=False,
        help_text="Leave it empty for as many as the plan has. Ten seconds' worth may come at once.",
    )  # fmt: skip


WORDS = {
    What.USAGE: "Usage: each customer and meter, with the digest of the customer's calls",
    What.CALLS: "Calls ledger: each call that counts, one a row",
    What.INVOICE: "Invoice lines: assets of each customer, and the amount",
    What.FOCUS: "FOCUS 1.2: usage in the columns of the FinOps specification",
}


class FileForm(forms.Form):
    what = forms.ChoiceField(label="File", choices=WORDS.items(), widget=forms.RadioSelect, initial=What.USAGE)
    month = forms.ChoiceField(label="Month")
    format = forms.ChoiceField(label="Format", choices=[(each, each.upper()) for each in Format])

    def __init__(self, months: list[date], query: QueryDict) -> None:
        """`query`: what is chosen already, where somebody comes from a link to a file."""
        super().__init__(initial={name: query[name] for name in ("what", "month", "format") if query.get(name)})
        self.fields["month"].choices = [(f"{each:%Y-%m}", f"{each:%B %Y}") for each in months]  # type: ignore[attr-defined]
