from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from django_tables2 import RequestConfig

from connectors.mapping import drifted_of, instances_without
from identity import services
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import PAGE_ROWS, carry_out, mend, one, said_beside
from msplex.portal.filters import CustomerFilter
from msplex.portal.forms import CustomerForm, DomainsForm
from msplex.portal.requests import PortalRequest
from msplex.portal.tables import CustomersTable
from tenants.models import Customer
from tenants.selectors import customers as all_customers


@requires(Permission.CUSTOMERS_CUSTOMER_READ)
def customers(request: PortalRequest) -> HttpResponse:
    narrowed = CustomerFilter(request.GET, selectors.customers(), request=request)
    table = CustomersTable(narrowed.qs)
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    return render(request, "portal/customers/list.html", {"filter": narrowed, "table": table, "filtered": filtered})


@requires(Permission.CUSTOMERS_CUSTOMER_MANAGE)
def customer_new(request: PortalRequest) -> HttpResponse:
    form = CustomerForm(request.POST or None)
    if request.method != "POST":
        return render(request, "portal/customers/form.html", {"form": form})
    if form.is_valid():
        with said_beside(form):
            made = services.create_customer(**form.cleaned_data, by=request.actor)
            return redirect("portal:customer", made.pk)
    return mend(request, "portal/customers/form.html", {"form": form})


@requires(Permission.CUSTOMERS_CUSTOMER_READ)
def customer(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, "portal/customers/detail.html", _about(one(all_customers(), pk)))


@requires(Permission.CUSTOMERS_CUSTOMER_MANAGE)
@require_POST
def customer_domains(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(all_customers(), pk), DomainsForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            services.set_customer_domains(found, **form.cleaned_data, by=request.actor)
            return redirect("portal:customer", pk)
    return mend(request, "portal/customers/detail.html", _about(found, form))


@requires(Permission.CUSTOMERS_CUSTOMER_MANAGE, recent_mfa=True)
@require_POST
def customer_archive(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_customers(), pk)
    done = f"{found.name} is archived. Its tools can no longer be called."
    carry_out(request, lambda: services.archive_customer(found, by=request.actor), done)
    return redirect("portal:customer", pk)


def _about(customer: Customer, form: DomainsForm | None = None) -> dict[str, object]:
    return {
        "customer": customer,
        "mappings": list(selectors.mappings_of(customer)),
        "drifts": {each.mapping.id: each for each in drifted_of(customer)},
        "unmapped": list(instances_without(customer)[:PAGE_ROWS]),
        "form": form or DomainsForm(initial={"domains": ", ".join(customer.domains)}),
    }
