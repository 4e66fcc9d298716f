"""The columns of the lists. How a cell looks is in templates/portal/cells/."""

from typing import Any

import django_tables2 as tables


def _cell(label: str, template: str, **kwargs: Any) -> tables.TemplateColumn:
    """A column that names itself in each cell, for narrow screens, where a row is shown as a card."""
    css = kwargs.pop("css", "")
    attrs = {"td": {"data-label": label, "class": css}, "th": {"class": css, "scope": "col"}}
    return tables.TemplateColumn(
        template_name=f"portal/cells/{template}.html", verbose_name=label, attrs=attrs, **kwargs
    )


class CustomersTable(tables.Table):  # type: ignore[misc]  # the package has no types
    name = _cell("Name", "customer_name")
    key = _cell("Key", "customer_key")
    systems = _cell("Systems", "customer_systems", orderable=False)
    status = _cell("Status", "status")
    created_at = _cell("Added", "created_at", css="cell-tight")


class PeopleTable(tables.Table):  # type: ignore[misc]  # the package has no types
    name = _cell("Name", "person_name")
    roles = _cell("Roles", "roles", orderable=False)
    status = _cell("Status", "principal_status", orderable=False)
    last_sign_in = _cell("Last sign-in", "last_sign_in", css="cell-tight")


class InvitationsTable(tables.Table):  # type: ignore[misc]  # the package has no types
    email = _cell("E-mail", "invitation_email")
    role = _cell("Role", "invitation_role", orderable=False)
    status = _cell("Status", "invitation_status", orderable=False)
    expires_at = _cell("Expires", "expires_at", css="cell-tight")
    actions = _cell("Actions", "invitation_actions", orderable=False)


class ServiceAccountsTable(tables.Table):  # type: ignore[misc]  # the package has no types
    name = _cell("Name", "service_account_name")
    roles = _cell("Roles", "roles", orderable=False)
    status = _cell("Status", "service_account_status", orderable=False)
    last_used_at = _cell("Last used", "last_used_at", css="cell-tight")
    expires_at = _cell("Secret expires", "expires_at", css="cell-tight")
