from dataclasses import dataclass
from itertools import groupby

from django.http import HttpResponse
from django.shortcuts import render
from django_tables2 import RequestConfig

from identity.matrix import BEARERS, SURFACES, Surface
from identity.permissions import Permission
from identity.roles import ROLES, RoleDefinition
from identity.selectors import role_bindings
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS
from msplex.portal.filters import BindingFilter
from msplex.portal.requests import PortalRequest
from msplex.portal.tables import BindingsTable


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    surfaces: list[Surface]


@requires(Permission.PORTAL_DASHBOARD_READ)
def roles(request: PortalRequest) -> HttpResponse:
    groups = [Group(label, list(surfaces)) for label, surfaces in groupby(SURFACES, key=lambda each: each.group)]
    described = [(role, _reach(role)) for role in ROLES.values()]
    return render(request, "portal/roles/roles.html", {"roles": described, "bearers": BEARERS, "groups": groups})


def _reach(role: RoleDefinition) -> str:
    if role.customer_scoped:
        return "for one customer"
    return "for the whole MSP" if role.tenant_wide_only else "for all customers or one"


@requires(Permission.IDENTITY_MEMBER_READ)
def bindings(request: PortalRequest) -> HttpResponse:
    narrowed = BindingFilter(request.GET, role_bindings(), request=request)
    table = BindingsTable(narrowed.qs)
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    return render(request, "portal/roles/given.html", {"filter": narrowed, "table": table, "filtered": filtered})
