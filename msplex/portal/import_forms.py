"""What is declared of an imported tool, chosen from what its definition leaves to choose."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.db.models import QuerySet

from connectors.contract import EXPOSABLE, Risk, Tier
from connectors.errors import MESSAGES
from connectors.imported.client_sources import Source, terms_of
from connectors.imported.declaration import Declaration, Offered, offered, values_of_rows
from connectors.imported.openapi.describing import MOST_CHARACTERS
from connectors.imported.reviewing import DESCRIPTION_LENGTH, TITLE_LENGTH, Classification, least_risk
from connectors.models import ClientSource, ImportedTool
from msplex.portal.forms import ArgumentsField
from tenants.models import Customer

NARROWINGS = {
    "A": "A: an argument takes the customer, and rows name it",
    "B": "B: it hangs on something that is read first, and rows name that",
    "C": "C: rows name the customer",
}


NOTHING = {"narrowing": "", "owner": ""}  # nothing is declared yet


def _titled(values: Any) -> list[tuple[str, str]]:
    return [(value, value.capitalize()) for value in values]


def _either(values: Any) -> list[tuple[str, str]]:
    return [("", "None"), *((value, value) for value in values)]


class DescriptionForm(forms.Form):
    description = forms.CharField(
        label="As text",
        required=False,
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="OpenAPI 3.0 or 3.1, as JSON or plain YAML.",
    )
    file = forms.FileField(label="Or as a file", required=False, help_text="Of 900 kB at most.")

    def clean_file(self) -> str:
        given = self.cleaned_data["file"]
        if given is None:
            return ""
        if given.size > MOST_CHARACTERS:
            raise forms.ValidationError(MESSAGES["description_too_large"])
        return str(given.read().decode(errors="replace"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and bool(cleaned.get("description")) is bool(cleaned.get("file")):
            self.add_error("description", "Give the description as text or as a file.")
        return cleaned

    @property
    def written(self) -> str:
        return str(self.cleaned_data["description"] or self.cleaned_data["file"])


class DryRunForm(forms.Form):
    customer = forms.ModelChoiceField(
        queryset=Customer.objects.none(), label="For the customer", empty_label="Choose one"
    )
    arguments = ArgumentsField(rows=3, help_text="A JSON object, as a caller would give them.")

    def __init__(self, data: Any = None, *, customers: QuerySet[Customer]) -> None:
        super().__init__(data)
        self.fields["customer"].queryset = customers  # type: ignore[attr-defined]

    @property
    def terms(self) -> dict[str, Any]:
        return {"customer": self.cleaned_data["customer"], "arguments": self.cleaned_data["arguments"]}


class ExposeForm(forms.Form):
    untried = forms.BooleanField(label="It goes untried", required=False)


class ClassificationForm(forms.Form):
    seen_digest = forms.CharField(widget=forms.HiddenInput)
    title = forms.CharField(max_length=TITLE_LENGTH)
    description = forms.CharField(
        max_length=DESCRIPTION_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Agents read this, and never what the server says.",
    )
    risk = forms.ChoiceField(choices=_titled(Risk))
    tier = forms.ChoiceField(choices=_titled(Tier))
    narrowing = forms.ChoiceField(
        label="How it is held to one customer",
        choices=[(each.value, NARROWINGS[each.value]) for each in sorted(EXPOSABLE)],
    )
    customer = forms.ChoiceField(label="Argument that takes the customer", required=False)
    rows = forms.ChoiceField(label="Where the answer has its rows", required=False)
    owner = forms.ChoiceField(label="Where a row names its owner")
    picked = forms.MultipleChoiceField(label="Values that are given out", widget=forms.CheckboxSelectMultiple)
    arguments = forms.MultipleChoiceField(
        label="Arguments that callers give", required=False, widget=forms.CheckboxSelectMultiple
    )
    limit = forms.ChoiceField(label="Argument that bounds a page", required=False)
    parent = forms.ChoiceField(label="Tool that reads what it hangs on", required=False)
    parent_argument = forms.ChoiceField(label="Argument with that one's id", required=False)
    parent_key = forms.CharField(label="Argument of that tool for the id", required=False, max_length=300)
    parent_id = forms.CharField(label="Where that tool's row has its id", required=False, max_length=300, initial="id")
    creates = forms.BooleanField(label="It creates something new for the customer", required=False)
    only_reads = forms.BooleanField(label="It only reads, although its method is POST", required=False)

    def __init__(self, data: Any = None, *, tool: ImportedTool, parents: list[str]) -> None:
        super().__init__(data, initial=_initial(tool))
        choices = offered(tool.seen)
        values = sorted({path for rows in choices.rows for path in values_of_rows(tool.seen, rows)[0]})
        arguments = sorted(choices.arguments)
        self._choose("rows", [(place, place or "The answer itself") for place in choices.rows])
        self._choose("owner", [(value, value) for value in values])
        self._choose("picked", [(value, value) for value in values])
        self._choose("arguments", [(name, name) for name in arguments])
        for name in ("customer", "limit", "parent_argument"):
            self._choose(name, _either(arguments))
        self._choose("parent", _either(parents))
        if tool.seen.get("method") != "POST":
            del self.fields["only_reads"]

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def classification(self) -> Classification:
        said = self.cleaned_data
        declared = Declaration(
            narrowing=said["narrowing"], owner=said["owner"], rows=said["rows"], picked=tuple(said["picked"]),
            arguments=tuple(said["arguments"]), customer=said["customer"], parent=said["parent"],
            parent_argument=said["parent_argument"], parent_key=said["parent_key"], parent_id=said["parent_id"] or "id",
            creates=said["creates"], limit=said["limit"], only_reads=said.get("only_reads", False),
        )  # fmt: skip
        return Classification(said["title"], said["description"], Risk(said["risk"]), Tier(said["tier"]), declared)


def _initial(tool: ImportedTool) -> dict[str, Any]:
    """What was declared before, or the server's words for the title alone: a person writes what agents read."""
    kept = {"title": tool.title or str(tool.seen.get("title") or tool.name), "description": tool.description}
    kept["risk"] = tool.risk or least_risk(tool.seen, Declaration.of(tool.declaration or NOTHING)).value
    if tool.tier:
        kept["tier"] = tool.tier
    return {**kept, **tool.declaration, "seen_digest": tool.seen_digest}


class ClientSourceForm(forms.Form):
    seen_digest = forms.CharField(widget=forms.HiddenInput)
    rows = forms.ChoiceField(label="Where the answer has the clients", required=False)
    client_id = forms.ChoiceField(label="The client's id")
    name = forms.ChoiceField(label="Its name")
    domain = forms.ChoiceField(label="Its web address or domain", required=False)
    page = forms.ChoiceField(
        label="Argument for the number of a page", required=False, help_text="None: the first answer has to be all."
    )
    first_page = forms.TypedChoiceField(label="The first page is", choices=((1, "1"), (0, "0")), coerce=int)

    def __init__(self, data: Any = None, *, tool: ImportedTool, source: ClientSource | None = None) -> None:
        kept = asdict(terms_of(source)) if source else {}
        super().__init__(data, initial={**kept, "seen_digest": tool.seen_digest}, auto_id="id_source_%s")
        choices = offered(tool.seen) if tool.seen_digest else Offered((), {}, frozenset())
        values = sorted({path for rows in choices.rows for path in values_of_rows(tool.seen, rows)[0]})
        numbers = sorted(name for name, each in choices.arguments.items() if each["type"] == "integer")
        self._choose("rows", [(place, place or "The answer itself") for place in choices.rows])
        for name in ("client_id", "name"):
            self._choose(name, [("", "Choose one"), *((value, value) for value in values)])
        self._choose("domain", _either(values))
        self._choose("page", _either(numbers))

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def source(self) -> Source:
        return Source(**{key: value for key, value in self.cleaned_data.items() if key != "seen_digest"})
