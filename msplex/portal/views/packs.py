"""Audit packs: the months of each customer, as evidence to take home; and who vouches for the log."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from audit.log_keys import log_keys
from audit.models import Pack
from audit.packs import services, witnesses
from audit.packs.certificates import fingerprint_of
from audit.packs.files import FORMATS
from identity.permissions import Permission
from identity.services import ask_for_check, proof_address
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.api_packs import file_response
from msplex.portal.pack_forms import CosignatureForm, DomainForm, HandoverForm, PackForm, PackNarrowing, events_of
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from tenants.errors import Invalid


@requires(Permission.AUDIT_EVENT_READ)
def packs(request: PortalRequest) -> HttpResponse:
    narrowing = PackNarrowing(request.GET)
    chosen = narrowing.chosen()
    context = {
        "page": stretch(services.packs().filter(**chosen), request.GET),
        "narrowing": narrowing,
        "filtered": bool(chosen),
        "form": PackForm(),
    }
    return render(request, "portal/packs/list.html", context)


@requires(Permission.AUDIT_EVENT_READ)
@require_POST
def pack_order(request: PortalRequest) -> HttpResponseBase:
    form = PackForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            chosen = form.cleaned_data
            made = services.order_pack(
                chosen["customer"].pk, form.month, actor_filter=chosen["actor_filter"], by=request.actor
            )
            return redirect("portal:pack", made.pk)
    context = {"page": stretch(services.packs(), request.GET), "narrowing": PackNarrowing(), "form": form}
    return mend(request, "portal/packs/list.html", context)


@requires(Permission.AUDIT_EVENT_READ)
def pack(request: PortalRequest, pk: UUID) -> HttpResponse:
    return _pack(request, one(services.packs(), pk), HandoverForm())


def _pack(request: PortalRequest, found: Pack, form: HandoverForm) -> HttpResponse:
    context = {
        "pack": found,
        "events": events_of(found),
        "handover": form if not found.domain and form.fields["actor_filter"].choices else None,  # type: ignore[attr-defined]
        "cosignatures": witnesses.cosignatures().filter(
            customer_id=found.customer_id, epoch=found.epoch, size=found.size
        )[:20],
        "keys": log_keys()[-1:],
        "authority": fingerprint_of(settings.PDF_CERTIFICATES) if settings.PDF_CERTIFICATES else "",
    }
    status = 422 if form.errors else 200
    return render(request, "portal/packs/detail.html", context, status=status)


@requires(Permission.AUDIT_EVENT_READ)
@require_GET
def pack_progress(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(services.packs(), pk)
    response = render(request, "portal/packs/progress.html", {"pack": found, "events": events_of(found)})
    if not found.is_open:
        response["HX-Refresh"] = "true"  # its files have places on the page
    return response


@requires(Permission.AUDIT_EVENT_READ)
@require_GET
def pack_download(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    found = one(services.packs(), pk)
    form = request.GET.get("format", "zip")
    if form not in FORMATS:
        raise Invalid(f"A pack is given out as one of {', '.join(sorted(FORMATS))}.", field="format")
    made = services.take_pack(found, form, by=request.actor)
    return redirect("portal:pack", made.pk) if isinstance(made, Pack) else file_response(made)


@requires(Permission.AUDIT_EVENT_READ)
@require_POST
def pack_handover(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    found = one(services.packs(), pk)
    form = HandoverForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            made = services.order_handover(found, form.cleaned_data["actor_filter"], by=request.actor)
            return redirect("portal:pack", made.pk)
    return _pack(request, found, form)


@requires(Permission.AUDIT_EVENT_READ)
def pack_witnesses(request: PortalRequest) -> HttpResponse:
    form = CosignatureForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        with said_beside(form, leaving=witnesses.Disputed):
            try:
                made = witnesses.hand_in(chosen["customer"].pk, chosen["note"], chosen["witness"], by=request.actor)
            except witnesses.Disputed as disputed:
                witnesses.dispute(chosen["customer"].pk, disputed, by=request.actor)
                messages.error(request, disputed.message)
            else:
                messages.success(request, f"Kept: {made.witness.partition('+')[0]} has seen {made.size} entries.")
            return redirect("portal:pack_witnesses")
    context = {"form": form, "page": stretch(witnesses.cosignatures(), request.GET)}
    return render(request, "portal/packs/witnesses.html", context, status=422 if form.errors else 200)


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
def pack_domains(request: PortalRequest) -> HttpResponse:
    form = DomainForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            services.add_domain(form.cleaned_data["domain"], by=request.actor)
            messages.success(request, "Added. Put the file in its place, then check.")
            return redirect("portal:pack_domains")
    domains = [(each, proof_address(each)) for each in services.handover_domains()]
    context = {"form": form, "domains": domains}
    return render(request, "portal/packs/domains.html", context, status=422 if form.errors else 200)


@requires(Permission.TENANT_SETTINGS_MANAGE)
@require_POST
def pack_domain_check(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    ask_for_check(one(services.handover_domains(), pk))
    messages.success(request, "The file is being looked for. Load this page again in a moment.")
    return redirect("portal:pack_domains")


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
@require_POST
def pack_domain_remove(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    carry_out(request, lambda: services.remove_domain(pk, by=request.actor), "Removed. Packs that were made stay.")
    return redirect("portal:pack_domains")


paths = [
    path("audit/packs/", packs, name="packs"),
    path("audit/packs/order/", pack_order, name="pack_order"),
    path("audit/packs/<uuid:pk>/", pack, name="pack"),
    path("audit/packs/<uuid:pk>/progress/", pack_progress, name="pack_progress"),
    path("audit/packs/<uuid:pk>/download/", pack_download, name="pack_download"),
    path("audit/packs/<uuid:pk>/handover/", pack_handover, name="pack_handover"),
    path("audit/witnesses/", pack_witnesses, name="pack_witnesses"),
    path("audit/domains/", pack_domains, name="pack_domains"),
    path("audit/domains/<uuid:pk>/check/", pack_domain_check, name="pack_domain_check"),
    path("audit/domains/<uuid:pk>/remove/", pack_domain_remove, name="pack_domain_remove"),
]
