from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from connectors import services
from connectors.breaker import Breaker
from connectors.catalogue import all_connectors
from connectors.catalogue import connector as catalogue_entry
from connectors.checks import history
from connectors.custody import credentials, key_state, number_to_change, standing
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance
from connectors.pauses import resume_risky_tools, shown_pauses
from connectors.readiness import is_entitled
from connectors.retiring import retire_instance
from connectors.selectors import (
    catalogue,
    current_credential,
    entitlement_for,
    instances,
    lifecycle_of,
    mappings,
)
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors, setup
from msplex.portal.answers import carry_out, mend, one, page_of, said_beside
from msplex.portal.connection_forms import ENDS, field_left, settings_form
from msplex.portal.forms import InstanceForm, ResumeForm
from msplex.portal.plots import plot
from msplex.portal.requests import PortalRequest

SECRET_FIELDS = frozenset(name for entry in all_connectors() for name in entry.secret_fields)
PAUSES_SHOWN = 5
DETAIL = "portal/connectors/instance.html"


@requires(Permission.CONNECTORS_CATALOGUE_READ)
def connectors(request: PortalRequest) -> HttpResponse:
    page = page_of(request, selectors.instances())
    context = {"page": page, "catalogue": catalogue(timezone.now())}
    return render(request, "portal/connectors/catalogue.html", context)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
def connector_credentials(request: PortalRequest) -> HttpResponse:
    """Whose and how old each is, how far they are under the key of now, and which are to be changed at vendors."""
    page, keys, now = page_of(request, credentials()), key_state(), timezone.now()
    rows = [(credential, standing(credential, keys, now)) for credential in page.object_list]
    context = {"page": page, "rows": rows, "keys": keys, "to_change": number_to_change(keys)}
    return render(request, "portal/connectors/credentials.html", context)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
def connector_start(request: PortalRequest, key: str) -> HttpResponse:
    entry = catalogue_entry(key)
    entitled = is_entitled(key, entitlement_for(key), timezone.now())
    form = InstanceForm(request.POST or None, initial={"name": entry.name})
    context = {"connector": entry, "entitled": entitled, "form": form, "steps": setup.first_steps(entitled=entitled)}
    if request.method != "POST":
        return render(request, "portal/connectors/start.html", context)
    if form.is_valid():
        with said_beside(form):
            made = services.start_instance(key, name=form.cleaned_data["name"], by=request.actor)
            return redirect("portal:connector_instance", made.pk)
    return mend(request, "portal/connectors/start.html", context)


@requires(Permission.CONNECTORS_INSTANCE_READ)
def connector_instance(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, DETAIL, _about(request, one(instances(), pk)))


@requires(Permission.CONNECTORS_INSTANCE_READ)
def connector_progress(request: PortalRequest, pk: UUID) -> HttpResponse:
    """The upper part of the page alone, for the page itself while it waits for the broker."""
    return render(request, "portal/connectors/progress.html", _state(request, one(instances(), pk)))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True, unkept=SECRET_FIELDS)
@require_POST
@sensitive_post_parameters()
@sensitive_variables()
def connector_configure(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    entry = catalogue_entry(instance.connector)
    form = settings_form(entry, instance, request.POST)
    if form.is_valid():
        with said_beside(form):
            ends = form.cleaned_data.pop(ENDS)
            settings, secret = entry.split(form.cleaned_data)
            services.configure_instance(instance, settings=settings, secret=secret, by=request.actor, expires_on=ends)
            return redirect("portal:connector_instance", pk)
    return mend(request, DETAIL, _about(request, instance, form=form))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_field(request: PortalRequest, pk: UUID) -> HttpResponse:
    """What is wrong with one field that was left, for the form itself. Nothing is kept of it."""
    instance = one(instances(), pk)
    lifecycle_of(instance, timezone.now()).require(Action.CONFIGURE)
    field = field_left(catalogue_entry(instance.connector), instance, request.GET.get("name", ""), request.POST)
    return render(request, "portal/connectors/field_left.html", {"field": field})


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_check(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    carry_out(request, lambda: services.request_health_check(instance, by=request.actor), "A check was asked for.")
    return redirect("portal:connector_instance", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_activate(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    done = f"{instance.name} is active. Its tools are listed to agents."
    carry_out(request, lambda: services.activate_instance(instance, by=request.actor), done)
    return redirect("portal:connector_instance", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_deactivate(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    done = f"{instance.name} is inactive. Its tools are refused from the next call on."
    carry_out(request, lambda: services.deactivate_instance(instance, by=request.actor), done)
    return redirect("portal:connector_instance", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_retire(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    done = f"{instance.name} is retired. Its tools and its credential are gone."
    carry_out(request, lambda: retire_instance(instance, by=request.actor), done)
    return redirect("portal:connector_instance", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_resume(request: PortalRequest, pk: UUID) -> HttpResponse:
    """`through`: the newest pause that the page showed."""
    instance, form = one(instances(), pk), ResumeForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say what you found at the vendor, on the page that shows the calls.")
        return redirect("portal:connector_instance", pk)
    done = f"The paused tools of {instance.name} run again."
    carry_out(request, lambda: resume_risky_tools(instance, **form.cleaned_data, by=request.actor), done)
    return redirect("portal:connector_instance", pk)


def _about(
    request: PortalRequest,
    instance: ConnectorInstance,
    *,
    form: forms.Form | None = None,
) -> dict[str, object]:
    """All of the page. What only managers see is not read for others."""
    checks = history(instance, timezone.now())
    context = _state(request, instance) | {
        "checks": checks,
        "plot": plot(checks),
        "mapped": mappings(instance).count(),
    }
    if context["may_manage"]:
        entry = catalogue_entry(instance.connector)
        context["form"] = form or settings_form(entry, instance)
    return context


def _state(request: PortalRequest, instance: ConnectorInstance) -> dict[str, object]:
    now = timezone.now()
    ready, credential = setup.readiness(instance, now), current_credential(instance)
    return {
        "credential": credential,
        "held_back": Breaker(str(credential.id)).seconds_left() if credential else 0,
        "instance": instance,
        "connector": catalogue_entry(instance.connector),
        "readiness": ready,
        "steps": setup.steps(instance, ready),
        "lifecycle": lifecycle_of(instance, now),
        "wait": setup.wait(instance, now),
        "may_manage": request.principal.allows_everywhere(Permission.CONNECTORS_INSTANCE_MANAGE),
        "may_activate": ready.missing == ("active",),
        **shown_pauses(instance, PAUSES_SHOWN),
    }
