from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from django_tables2 import RequestConfig

from audit.selectors import events_about
from identity import services
from identity.models import User
from identity.permissions import Permission
from identity.roles import ROLES, RoleDefinition
from identity.selectors import bindings, invitations, invitations_in
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import PAGE_ROWS, carry_out, mend, one, said_beside
from msplex.portal.filters import PeopleFilter
from msplex.portal.forms import BindingForm
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from msplex.portal.tables import PeopleTable

SHOWN_INVITATIONS = 5


@requires(Permission.IDENTITY_MEMBER_READ)
def people(request: PortalRequest) -> HttpResponse:
    narrowed = PeopleFilter(request.GET, selectors.people(), request=request)
    table = PeopleTable(narrowed.qs)
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    waiting = invitations_in(invitations(), "pending")[:SHOWN_INVITATIONS]
    context = {"filter": narrowed, "table": table, "filtered": filtered, "waiting": waiting}
    return render(request, "portal/people/list.html", context)


@requires(Permission.IDENTITY_MEMBER_READ)
def person(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, "portal/people/detail.html", _about(request, one(selectors.people(), pk)))


def _about(request: PortalRequest, found: User) -> dict[str, object]:
    may_manage = request.principal.allows(Permission.IDENTITY_MEMBER_MANAGE)
    may_know = request.principal.allows(Permission.AUDIT_EVENT_READ)
    return {
        "page": stretch(events_about(found.pk), request.GET) if may_know else None,
        "person": found,
        "principal": found.principal,
        "bindings": found.principal.bindings.all(),
        "may_manage": may_manage,
        "binding_form": BindingForm(giver=request.principal) if may_manage else None,
        "bind_url": "portal:person_bind",
        "unbind_url": "portal:person_unbind",
    }


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_disable(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    done = f"{found.email} is disabled and signed out everywhere."
    carry_out(request, lambda: services.disable_principal(found.pk, by=request.actor), done)
    return redirect("portal:person", pk)


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_enable(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    done = f"{found.email} can sign in again."
    carry_out(request, lambda: services.enable_principal(found.pk, by=request.actor), done)
    return redirect("portal:person", pk)


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_reset(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    done = f"{found.email} sets up a new second factor at the next sign-in."
    carry_out(request, lambda: services.reset_factors(found, by=request.actor), done)
    return redirect("portal:person", pk)


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_bind(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    form = BindingForm(request.POST, giver=request.principal)
    if form.is_valid():
        with said_beside(form):
            services.bind_role(found.principal, **form.cleaned_data, by=request.actor)
            return redirect("portal:person", pk)
    return mend(request, "portal/people/detail.html", _about(request, found) | {"binding_form": form})


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_unbind(request: PortalRequest, pk: UUID, binding: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    given = one(bindings().filter(principal=found.principal), binding)
    done = f"{given.label} was taken away from {found.email}."
    carry_out(request, lambda: services.unbind_role(given, by=request.actor), done)
    return redirect("portal:person", pk)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    permission: Permission
    cells: list[bool]

    @property
    def parts(self) -> list[str]:
        return self.permission.split(":")


@requires(Permission.PORTAL_DASHBOARD_READ)
def roles(request: PortalRequest) -> HttpResponse:
    matrix = [MatrixRow(right, [right in role.permissions for role in ROLES.values()]) for right in Permission]
    context = {"roles": [(role, _reach(role)) for role in ROLES.values()], "matrix": matrix}
    return render(request, "portal/people/roles.html", context)


def _reach(role: RoleDefinition) -> str:
    if role.customer_scoped:
        return "for one customer"
    return "for the whole MSP" if role.tenant_wide_only else "for all customers or one"
