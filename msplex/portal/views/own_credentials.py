"""A mapped customer's own credential: how it is; entered, replaced, checked and removed."""

from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from connectors.catalogue import connector as catalogue_entry
from connectors.contract import OwnCredentials
from connectors.models import ConnectorInstance, CustomerMapping
from connectors.own_credentials import (
    remove_own_credential,
    request_own_check,
    require_own_credentials,
    store_own_credential,
)
from connectors.selectors import instances, mappings, standings
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.connection_forms import ENDS, own_credential_form
from msplex.portal.forms import OwnCredentialsOnlyForm
from msplex.portal.requests import PortalRequest
from msplex.portal.views.connectors import SECRET_FIELDS

PAGE = "portal/connectors/own_credential.html"
Both = tuple[ConnectorInstance, CustomerMapping]


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True, unkept=SECRET_FIELDS)
@sensitive_post_parameters()
@sensitive_variables()
def connector_own(request: PortalRequest, pk: UUID, mapping: UUID) -> HttpResponse:
    instance, mapped = _found(pk, mapping)
    entry = catalogue_entry(instance.connector)
    form = own_credential_form(entry, request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return render(request, PAGE, _about(instance, mapped, form))
    if form.is_valid():
        with said_beside(form):
            ends = form.cleaned_data.pop(ENDS)
            store_own_credential(mapped, secret=form.cleaned_data, by=request.actor, expires_on=ends)
            return redirect("portal:connector_own", pk, mapping)
    return mend(request, PAGE, _about(instance, mapped, form))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_own_remove(request: PortalRequest, pk: UUID, mapping: UUID) -> HttpResponse:
    _, mapped = _found(pk, mapping)
    done = f"The credential of {mapped.customer.name} is destroyed."
    carry_out(request, lambda: remove_own_credential(mapped, by=request.actor), done)
    return redirect("portal:connector_own", pk, mapping)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_own_check(request: PortalRequest, pk: UUID, mapping: UUID) -> HttpResponse:
    _, mapped = _found(pk, mapping)
    carry_out(request, lambda: request_own_check(mapped, by=request.actor), "A check was asked for.")
    return redirect("portal:connector_own", pk, mapping)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_own_only(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance, form = one(instances(), pk), OwnCredentialsOnlyForm(request.POST)
    only = form.is_valid() and form.cleaned_data["only"]
    done = (
        "Only customers with a credential of their own are reached from the next call on."
        if only
        else "Customers without a credential of their own are reached with the connection's again."
    )
    carry_out(request, lambda: require_own_credentials(instance, only=only, by=request.actor), done)
    return redirect(f"{reverse('portal:connector_clients', args=[pk])}?show=mapped")


def _found(pk: UUID, mapping: UUID) -> Both:
    instance = one(instances(), pk)
    return instance, one(mappings(instance).select_related("customer", "instance"), mapping)


def _about(instance: ConnectorInstance, mapped: CustomerMapping, form: forms.Form) -> dict[str, object]:
    return {
        "instance": instance,
        "connector": catalogue_entry(instance.connector),
        "mapping": mapped,
        "fenced": catalogue_entry(instance.connector).own_credentials is not OwnCredentials.NONE,
        "standing": standings(instance, [mapped], timezone.now())[mapped.pk],
        "form": form,
    }


paths = [
    path("connectors/<uuid:pk>/own-credentials-only/", connector_own_only, name="connector_own_only"),
    path("connectors/<uuid:pk>/customers/<uuid:mapping>/credential/", connector_own, name="connector_own"),
    path(
        "connectors/<uuid:pk>/customers/<uuid:mapping>/credential/remove/",
        connector_own_remove,
        name="connector_own_remove",
    ),
    path(
        "connectors/<uuid:pk>/customers/<uuid:mapping>/credential/check/",
        connector_own_check,
        name="connector_own_check",
    ),
]
