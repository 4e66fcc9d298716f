"""The form of a connection's settings and credential, for its page, for one field that was left, and for what is sent.

It is the connector's own form (Connector.settings_form), so a field says of a value what the form will say of it.
"""

import copy
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.urls import reverse

from connectors.contract import Connector
from connectors.models import ConnectorInstance, Hook
from connectors.readiness import has_credential_for_all
from connectors.selectors import current_credential
from tenants.errors import Invalid

ENDS = "expires_on"  # beside the form of a connector
TOKEN = "csrfmiddlewaretoken"  # noqa: S105  # the name of a field


def settings_form(entry: Connector, instance: ConnectorInstance, sent: Any = None) -> forms.Form:
    """The secret's fields may stay empty only where a secret is stored."""
    form: forms.Form = entry.settings_form(sent, initial=instance.settings)
    for name in entry.secret_fields:
        if not has_credential_for_all(entry):
            del form.fields[name]
            continue
        form.fields[name].required = instance.configured_at is None
        if instance.configured_at is not None:
            form.fields[name].help_text = "Stored. Leave this empty to keep it; what you enter replaces it."
    form.fields[ENDS] = _ends_field(_ends(instance))
    _look_when_left(form, entry, instance)
    return form


def own_credential_form(entry: Connector, sent: Any = None) -> forms.Form:
    """For one customer: the secret's fields alone, and its last day. What is given replaces what there is."""
    form = forms.Form(sent)
    for name in entry.secret_fields:
        form.fields[name] = copy.deepcopy(entry.settings_form.base_fields[name])
        form.fields[name].required = True
    form.fields[ENDS] = _ends_field(None)
    return form


def _ends_field(initial: date | None) -> forms.DateField:
    return forms.DateField(
        label="Good until",
        required=False,
        initial=initial,
        help_text="The credential's last day, if it has one: you are warned two weeks and a day before.",
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )


def field_left(entry: Connector, instance: ConnectorInstance, name: str, sent: Any) -> BoundField:
    """One field with what the whole form says of it. A secret is no such field, and one that was sent is not read."""
    told = {key: value for key, value in sent.items() if key not in entry.secret_fields}
    form = settings_form(entry, instance, told)
    if name in entry.secret_fields or name not in form.fields:
        raise Invalid("Name a field of the form that is no secret.", field="name")
    form.is_valid()
    return form[name]


def _look_when_left(form: forms.Form, entry: Connector, instance: ConnectorInstance) -> None:
    """Each field but a secret's asks what is wrong with it once it was changed, and sends no secret with it."""
    plain = [name for name in form.fields if name not in entry.secret_fields]
    where = reverse("portal:connector_field", args=[instance.pk])
    for name in plain:
        field, said = form.fields[name], f"{form[name].auto_id}_said"
        field.says_at = said  # type: ignore[attr-defined]  # templates/django/forms/field.html
        described = f"{form[name].auto_id}_helptext {said}" if field.help_text else said
        field.widget.attrs |= {
            "aria-describedby": described,
            "hx-post": f"{where}?name={name}",
            "hx-params": ",".join((TOKEN, *plain)),
            "hx-target": f"#{said}",
            "hx-trigger": "change",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }


def _ends(instance: ConnectorInstance) -> date | None:
    credential = current_credential(instance)
    return credential.expires_on if credential else None


WAYS = {
    Hook.Way.SIGNED.value: "Your own automation, which signs events; they are kept",
    Hook.Way.SECRET.value: "The vendor, with a secret in a header; then it is looked at",
}


class HookForm(forms.Form):
    way = forms.ChoiceField(label="What calls it", widget=forms.RadioSelect)

    def __init__(self, *args: Any, ways: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["way"].choices = [(way, WAYS[way]) for way in ways]  # type: ignore[attr-defined]
        self.fields["way"].initial = ways[-1]
