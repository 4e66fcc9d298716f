"""Billing: what was used, on which terms, what customers can be charged, and files for whoever does that."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from audit.kinds import EventKind
from audit.selectors import events
from billing.exports import Format, What
from billing.files.services import LONG, is_long, open_files
from billing.plans import set_prices
from billing.pricing import overview
from billing.selectors import price_list_at, subscription_periods
from billing.terms import ConnectorTerms
from identity.permissions import Permission
from identity.services.seats import invited, people
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS, mend, said_beside
from msplex.portal.billing_files import give_out
from msplex.portal.billing_forms import FileForm, PricesForm
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from msplex.portal.usage import month_in, months, usage_of
from tenants.errors import Invalid
from tenants.selectors import entitlements, subscription


@requires(Permission.BILLING_USAGE_READ)
def usage(request: PortalRequest) -> HttpResponse:
    now = timezone.now()
    month = month_in(request.GET, now)
    with_plan = request.principal.allows_everywhere(Permission.BILLING_ACCOUNT_READ)
    shown = usage_of(month, now, with_plan=with_plan)
    page = Paginator(shown.by_customer, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {"usage": shown, "months": months(now), "page": page, "with_plan": with_plan}
    return render(request, "portal/billing/usage.html", context)


@requires(Permission.BILLING_ACCOUNT_READ)
def billing_plan(request: PortalRequest) -> HttpResponse:
    page = stretch(subscription_periods().order_by("-id"), request.GET)
    held = subscription_periods().filter(valid_to=None).first()
    terms = {key: ConnectorTerms.from_json(told) for key, told in held.plan_version.connectors.items()} if held else {}
    rows = [(each, terms.get(each.connector)) for each in entitlements()]
    taken = {"people": people(), "invited": invited()}
    context = {"subscription": subscription(), "held": held, "rows": rows, "page": page, "now": timezone.now()}
    return render(request, "portal/billing/plan.html", context | taken)


@requires(Permission.BILLING_ACCOUNT_READ)
def billing_overview(request: PortalRequest) -> HttpResponse:
    now = timezone.now()
    month = month_in(request.GET, now)
    shown = overview(month, now)
    page = Paginator(shown.lines, PAGE_ROWS).get_page(request.GET.get("page"))
    return render(request, "portal/billing/overview.html", {"overview": shown, "months": months(now), "page": page})


@requires(Permission.BILLING_ACCOUNT_READ)
def billing_exports(request: PortalRequest) -> HttpResponse:
    """Billing staff see what was exported, and nothing else of the log."""
    made = events().filter(kind=EventKind.USAGE_EXPORTED.value)
    context = {"form": FileForm(months(timezone.now()), request.GET), "page": stretch(made, request.GET)}
    context["files"] = open_files()
    return render(request, "portal/billing/exports.html", context)


@requires(Permission.BILLING_ACCOUNT_READ)
@require_GET
def billing_export(request: PortalRequest) -> HttpResponseBase:
    what, made_as = asked_for(request.GET)
    month = month_in(request.GET, timezone.now())
    if is_long(what, month):
        return sent_to_order(request, what, made_as)
    return give_out(what, month, made_as, principal=request.principal, by=request.actor)


def sent_to_order(request: PortalRequest, what: What, made_as: Format) -> HttpResponse:
    """Who followed a link to a file that is too long for one."""
    messages.info(request, f"That file has more than {LONG:,} rows. Order it here: it is made, and then ready to take.")
    query = urlencode({"what": what.value, "month": request.GET.get("month", ""), "format": made_as.value})
    return redirect(f"{reverse('portal:billing_exports')}?{query}")


def asked_for(query: QueryDict) -> tuple[What, Format]:
    """Invalid names what there is."""
    try:
        what = What(query.get("what", What.USAGE.value))
    except ValueError:
        raise Invalid(f"An export is one of {', '.join(What)}.", field="what") from None
    try:
        return what, Format(query.get("format", Format.CSV.value))
    except ValueError:
        raise Invalid(f"An export is made as one of {', '.join(Format)}.", field="format") from None


@requires(Permission.BILLING_PRICE_MANAGE, recent_mfa=True)
def billing_prices(request: PortalRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "portal/billing/prices.html", {"form": _form()})
    form = PricesForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            set_prices(**form.cleaned_data, by=request.actor)
            messages.success(request, "Saved. It holds from now on; months that are over keep theirs.")
            return redirect("portal:billing_overview")
    return mend(request, "portal/billing/prices.html", {"form": form})


def _form() -> PricesForm:
    held = price_list_at(timezone.now())
    return PricesForm(
        initial={"free_assets": held.free_assets, "asset_price": held.asset_price, "currency": held.currency}
    )


paths = [
    path("usage/", usage, name="usage"),
    path("billing/plan/", billing_plan, name="billing_plan"),
    path("billing/overview/", billing_overview, name="billing_overview"),
    path("billing/prices/", billing_prices, name="billing_prices"),
    path("billing/exports/", billing_exports, name="billing_exports"),
    path("billing/exports/file/", billing_export, name="billing_export"),
]
