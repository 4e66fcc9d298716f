"""What is managed for each customer: what the overview is counted from."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from billing.selectors import assets
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS
from msplex.portal.filters import AssetFilter
from msplex.portal.requests import PortalRequest


@requires(Permission.BILLING_ACCOUNT_READ)
def billing_assets(request: PortalRequest) -> HttpResponse:
    narrowed = AssetFilter(request.GET, assets(), request=request)
    page = Paginator(narrowed.qs, PAGE_ROWS).get_page(request.GET.get("page"))
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    return render(request, "portal/billing/assets.html", {"filter": narrowed, "page": page, "filtered": filtered})


paths = [path("billing/assets/", billing_assets, name="billing_assets")]
