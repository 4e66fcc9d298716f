"""Files of billing that take a while: ordered, looked at while they are made, taken."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from billing.files.models import KEPT
from billing.files.services import LONG, export_files, is_long, order_file
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, one
from msplex.portal.billing_files import give_out_made
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from msplex.portal.usage import month_in
from msplex.portal.views.billing import asked_for

ORDERED = "The file is being made. This page says how far it is."


@requires(Permission.BILLING_ACCOUNT_READ)
@require_GET
def billing_files(request: PortalRequest) -> HttpResponse:
    page = stretch(export_files(), request.GET)
    context = {
        "page": page, "any_open": any(file.is_open for file in page.rows), "query": request.GET.urlencode(),
        "long": f"{LONG:,}", "days": KEPT.days,
    }  # fmt: skip
    return render(request, "portal/billing/files.html", context)


@requires(Permission.BILLING_ACCOUNT_READ)
@require_POST
def billing_file_order(request: PortalRequest) -> HttpResponseBase:
    """At once what is short, without a detour; what is long is made first."""
    what, made_as = asked_for(request.POST)
    month = month_in(request.POST, timezone.now())
    if not is_long(what, month):
        query = urlencode({"what": what.value, "month": f"{month:%Y-%m}", "format": made_as.value})
        return redirect(f"{reverse('portal:billing_export')}?{query}")
    carry_out(request, lambda: order_file(what, month, made_as, by=request.actor), ORDERED)
    return redirect("portal:billing_files")


@requires(Permission.BILLING_ACCOUNT_READ)
@require_GET
def billing_file_download(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    return give_out_made(one(export_files(), pk), principal=request.principal, by=request.actor)


paths = [
    path("billing/files/", billing_files, name="billing_files"),
    path("billing/files/order/", billing_file_order, name="billing_file_order"),
    path("billing/files/<uuid:pk>/download/", billing_file_download, name="billing_file_download"),
]
