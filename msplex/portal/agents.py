"""What the pages about agents take in and list."""

from typing import Any

import django_tables2 as tables
from django import forms

from identity.oauth.requests import AuthorizationRequest
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.services.agents import agreeable, may_cross, reachable_customers
from msplex.portal.tables import _cell
from tenants.models import Customer

EVERY_CUSTOMER = "*"
IN_WORDS = {
    Permission.GATEWAY_TOOL_READ: "Run tools that read",
    Permission.GATEWAY_TOOL_WRITE: "Run tools that change something",
    Permission.GATEWAY_TOOL_DESTROY: "Run tools that delete or switch off",
}


class ConsentForm(forms.Form):
    """The one choice of the consent page: for which customer the agent may act."""

    customer = forms.ChoiceField(label="For which customer?", help_text="The agent reaches nothing of any other.")

    def __init__(self, *args: Any, principal: ActingPrincipal, asked: AuthorizationRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._customers = {str(found.pk): found for found in reachable_customers(principal)}
        self.agreed = [IN_WORDS[permission] for permission in agreeable(principal, asked.scopes, None)]
        choices = [(pk, found.name) for pk, found in self._customers.items()]
        if len(choices) != 1:
            choices.insert(0, ("", "Choose one"))
        if may_cross(principal):
            choices.append((EVERY_CUSTOMER, "Every customer, one in each call"))
        self.fields["customer"].choices = choices  # type: ignore[attr-defined]

    @property
    def is_possible(self) -> bool:
        return bool(self.agreed and self._customers)

    def clean_customer(self) -> Customer | None:
        """None: every one."""
        chosen = self.cleaned_data["customer"]
        return None if chosen == EVERY_CUSTOMER else self._customers[chosen]


class AgentsTable(tables.Table):  # type: ignore[misc]  # the package has no types
    application = _cell("Agent", "agent_application", orderable=False)
    user = _cell("Acts for", "agent_user", orderable=False)
    customer = _cell("Customer", "agent_customer", orderable=False)
    first_used_at = _cell("Connected", "agent_first_used", css="cell-tight")
    last_used_at = _cell("Last used", "last_used_at", css="cell-tight")
    end = _cell("", "agent_end", orderable=False, css="cell-tight", empty_values=())
