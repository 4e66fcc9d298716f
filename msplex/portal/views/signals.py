from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse

from connectors.models import Signal
from connectors.selectors import pulls
from connectors.selectors import signals as every_signal
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import one
from msplex.portal.filters import SignalFilter
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from tenants.models import Customer
from tenants.selectors import customers


@requires(Permission.CONNECTORS_INSTANCE_READ)
def signals(request: PortalRequest) -> HttpResponse:
    return _shown(request)


@requires(Permission.CONNECTORS_INSTANCE_READ)
def customer_signals(request: PortalRequest, pk: UUID) -> HttpResponse:
    return _shown(request, one(customers(), pk))


def _shown(request: PortalRequest, customer: Customer | None = None) -> HttpResponse:
    """The open ones, unless others are asked for."""
    query = request.GET.copy()
    query.setdefault("state", Signal.State.OPEN.value)
    rows = every_signal().filter(customer=customer) if customer else every_signal()
    narrowed = SignalFilter(query, rows, request=request)
    if customer:
        del narrowed.form.fields["customer"]
    context: dict[str, object] = {
        "customer": customer,
        "filter": narrowed,
        "page": stretch(narrowed.qs, request.GET),
        "filtered": any(request.GET.get(name) for name in narrowed.filters),
        "list_path": reverse("portal:customer_signals", args=[customer.pk]) if customer else reverse("portal:signals"),
    }
    if customer is None and request.principal.scope() is None:
        context["pulls"] = list(pulls())  # what is not kept is about other clients of the vendor's
    return render(request, "portal/signals/list.html", context)


paths = [
    path("signals/", signals, name="signals"),
    path("customers/<uuid:pk>/signals/", customer_signals, name="customer_signals"),
]
