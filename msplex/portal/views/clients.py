"""Whose record is which in a vendor's system: what is mapped, what may be, and what is not true any more."""

from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from connectors import services
from connectors.catalogue import connector as catalogue_entry
from connectors.clients import CLIENTS_MISSING, message_of, request_clients
from connectors.contract import OwnCredentials
from connectors.mapping import client_list, confirm_sure, drifted, proposals, unmapped_clients
from connectors.models import ConnectorInstance
from connectors.readiness import has_credential_for_all, needs_own
from connectors.selectors import LATE, instances, mappings, standings, unmapped_customers
from identity.forms import active_customers
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS, carry_out, mend, one, said_beside
from msplex.portal.forms import ConfirmForm, FetchForm, MappingForm
from msplex.portal.requests import PortalRequest

PAGE = "portal/connectors/clients.html"
SHOWS = ("suggested", "mapped", "changed", "clients")


@requires(Permission.CONNECTORS_INSTANCE_READ)
def connector_clients(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, PAGE, _about(request, one(instances(), pk)))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_clients_fetch(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance, form = one(instances(), pk), FetchForm(request.POST)
    believe = form.is_valid() and form.cleaned_data["believe"]
    done = "The list of clients was asked for. It is here in a moment."
    carry_out(request, lambda: request_clients(instance, by=request.actor, believe=believe), done)
    return _back(request, pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_clients_confirm(request: PortalRequest, pk: UUID) -> HttpResponse:
    """Every suggestion that is sure, as the page has shown them."""
    instance, form = one(instances(), pk), ConfirmForm(request.POST)
    digest = form.cleaned_data["digest"] if form.is_valid() else ""
    done = "The customers whose client was sure are mapped."
    carry_out(request, lambda: confirm_sure(instance, digest=digest, by=request.actor), done)
    return _back(request, pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_map(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    form = _mapping_form(instance, request)
    if form.is_valid():
        with said_beside(form):
            services.map_customer(instance, **form.cleaned_data, by=request.actor)
            return _back(request, pk)
    return mend(request, PAGE, _about(request, instance, mapping_form=form))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_unmap(request: PortalRequest, pk: UUID, mapping: UUID) -> HttpResponse:
    mapped = one(mappings(one(instances(), pk)), mapping)
    done = f"{mapped.customer.name} is not mapped any more."
    carry_out(request, lambda: services.unmap_customer(mapped, by=request.actor), done)
    return _back(request, pk)


def _back(request: PortalRequest, pk: UUID) -> HttpResponse:
    """To the part of the page that the button was on."""
    show = request.POST.get("show", "")
    where = reverse("portal:connector_clients", args=[pk])
    return redirect(f"{where}?show={show}" if show in SHOWS else where)


def _about(
    request: PortalRequest, instance: ConnectorInstance, *, mapping_form: MappingForm | None = None
) -> dict[str, object]:
    entry, listed = catalogue_entry(instance.connector), client_list(instance)
    may_manage = request.principal.allows_everywhere(Permission.CONNECTORS_INSTANCE_MANAGE)
    found, changed = proposals(instance), drifted(instance)
    mapped, strangers = mappings(instance), unmapped_clients(instance)
    rows: dict[str, Any] = {"suggested": found.rows, "mapped": mapped, "changed": changed, "clients": strangers}
    show = _shown(request, suggested=bool(found.rows), changed=bool(changed))
    page: Page[Any] = Paginator(rows[show], PAGE_ROWS).get_page(request.GET.get("page"))
    tabs = [
        ("suggested", "Not mapped", len(found.rows)),
        ("mapped", "Mapped", mapped.count()),
        ("changed", "Changed there", len(changed)),
        ("clients", "Nobody's clients", strangers.count()),
    ]
    late = listed is not None and listed.asked_at is not None and timezone.now() - listed.asked_at > LATE
    how = standings(instance, page.object_list, timezone.now()) if show == "mapped" else {}
    return {
        "instance": instance,
        "connector": entry,
        "fenced": entry.own_credentials is not OwnCredentials.NONE,
        "lists_clients": has_credential_for_all(entry),
        "own_only": needs_own(entry, instance),
        "may_choose_own_only": may_manage and entry.own_credentials is OwnCredentials.OPTIONAL,
        "mapped_rows": [(mapping, how[mapping.pk]) for mapping in page.object_list] if show == "mapped" else [],
        "listed": listed,
        "late": late,
        "trouble": message_of(listed.code) if listed else "",
        "missing": listed is not None and listed.code == CLIENTS_MISSING,
        "may_manage": may_manage,
        "sees_all": request.principal.scope() is None,
        "proposals": found,
        "show": show,
        "page": page,
        "tabs": tabs,
        "mapping_form": (mapping_form or _mapping_form(instance)) if may_manage else None,
    }


def _shown(request: PortalRequest, *, suggested: bool, changed: bool) -> str:
    """What was asked for; else what there is to do."""
    asked = request.GET.get("show", "")
    if asked in SHOWS:
        return asked
    return "changed" if changed else "suggested" if suggested else "mapped"


def _mapping_form(instance: ConnectorInstance, request: PortalRequest | None = None) -> MappingForm:
    """It offers whoever is not mapped; whoever is may be mapped anew, by the buttons of the other parts."""
    label = catalogue_entry(instance.connector).external_id_label
    if request is None:
        return MappingForm(choices=unmapped_customers(instance), external_id_label=label)
    return MappingForm(request.POST, choices=active_customers(), external_id_label=label)


paths = [
    path("connectors/<uuid:pk>/clients/", connector_clients, name="connector_clients"),
    path("connectors/<uuid:pk>/clients/fetch/", connector_clients_fetch, name="connector_clients_fetch"),
    path("connectors/<uuid:pk>/clients/confirm/", connector_clients_confirm, name="connector_clients_confirm"),
    path("connectors/<uuid:pk>/customers/", connector_map, name="connector_map"),
    path("connectors/<uuid:pk>/customers/<uuid:mapping>/", connector_unmap, name="connector_unmap"),
]
