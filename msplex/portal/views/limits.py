"""How many calls of a month and of a minute each customer may use, and has used."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from billing.limits import limit_customer, limits
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS, mend, one, said_beside
from msplex.portal.billing_forms import LimitForm
from msplex.portal.requests import PortalRequest


@requires(Permission.BILLING_ACCOUNT_READ)
def billing_limits(request: PortalRequest) -> HttpResponse:
    page = Paginator(limits(), PAGE_ROWS).get_page(request.GET.get("page"))
    return render(request, "portal/billing/limits.html", {"page": page})


@requires(Permission.BILLING_PRICE_MANAGE, recent_mfa=True)
def billing_limit(request: PortalRequest, pk: UUID) -> HttpResponse:
    customer = one(limits(), pk)
    initial = {name: getattr(customer, name) for name in LimitForm.base_fields}
    form = LimitForm(request.POST or None, initial=initial)
    context = {"form": form, "customer": customer}
    if request.method != "POST":
        return render(request, "portal/billing/limit.html", context)
    if form.is_valid():
        with said_beside(form):
            limit_customer(customer, **form.cleaned_data, by=request.actor)
            messages.success(request, f"Saved. It holds for the next call for {customer.name}.")
            return redirect("portal:billing_limits")
    return mend(request, "portal/billing/limit.html", context)


paths = [
    path("billing/limits/", billing_limits, name="billing_limits"),
    path("billing/limits/<uuid:pk>/", billing_limit, name="billing_limit"),
]
