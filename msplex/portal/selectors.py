"""Questions that only the portal asks."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncDate

from connectors import selectors as connectors
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from identity import selectors as identity
from identity.models import Principal, RecoveryCode, ServiceAccount, Session, TotpDevice, User
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from tenants import selectors as tenants
from tenants.ids import uuid7_floor
from tenants.models import Customer, Tenant

WEEK = timedelta(days=7)
LATEST = 8  # rows of each list on the dashboard
State = ToolCall.State


@dataclass(frozen=True, slots=True)
class Counts:
    today: int
    week: int
    refused_today: int
    failed_today: int
    withheld_week: int | None  # about other customers: even the number is for those who see them all
    longest_wait_ms: int | None  # of today, from the record of a call until a broker had it; None: none has run


@dataclass(frozen=True, slots=True)
class Refusals:
    """`days`: of the last seven days each, the oldest first, by UTC."""

    gate: str
    days: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.days)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tenant is on the way to its first call."""

    customer: bool
    active: bool
    mapped: bool
    automation: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The dashboard, for one principal: what it may not see is None."""

    counts: Counts | None = None
    refusals: list[Refusals] | None = None
    instances: list[ConnectorInstance] | None = None
    progress: Progress | None = None
    signals: dict[str, int] | None = None  # open, by kind


def overview(principal: ActingPrincipal, now: datetime) -> Overview:
    calls = principal.allows(Permission.GATEWAY_CALL_READ)
    connections = principal.allows(Permission.CONNECTORS_INSTANCE_READ)
    return Overview(
        counts=counts(now, whole_tenant=principal.scope() is None) if calls else None,
        refusals=refusals_by_gate(now) if calls else None,
        instances=list(instances()[:LATEST]) if connections else None,
        signals=connectors.open_signals_by_kind() if connections else None,
        progress=progress() if principal.allows_everywhere(Permission.CONNECTORS_INSTANCE_MANAGE) else None,
    )


def calls_since(moment: datetime) -> QuerySet[ToolCall]:
    """By id, which begins with the time, so that only the newest partitions are read."""
    return ToolCall.objects.filter(id__gte=uuid7_floor(moment))


def counts(now: datetime, *, whole_tenant: bool) -> Counts:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = Q(id__gte=uuid7_floor(midnight))
    found = calls_since(now - WEEK).aggregate(
        today=Count("id", filter=today),
        week=Count("id"),
        refused_today=Count("id", filter=today & Q(state=State.REFUSED)),
        failed_today=Count("id", filter=today & Q(state__in=[State.FAILED, State.UNKNOWN])),
        withheld_week=Coalesce(Sum("rows_dropped"), 0),
        waited=Max(F("started_at") - F("created_at"), filter=today & Q(started_at__gte=F("created_at"))),
    )
    waited = found.pop("waited")
    found["longest_wait_ms"] = None if waited is None else round(waited / timedelta(milliseconds=1))
    return Counts(**found if whole_tenant else found | {"withheld_week": None})


def refusals_by_gate(now: datetime) -> list[Refusals]:
    """Of the last seven days, that of now being one; the gate that refused most comes first."""
    first = (now - WEEK).date() + timedelta(days=1)
    midnight = datetime.combine(first, time(), UTC)
    refused = calls_since(midnight).filter(state=State.REFUSED).annotate(day=TruncDate("created_at", tzinfo=UTC))
    found: dict[str, list[int]] = {}
    for gate, day, number in refused.order_by().values_list("gate", "day").annotate(number=Count("id")):
        days = found.setdefault(gate, [0] * WEEK.days)
        days[min(max((day - first).days, 0), WEEK.days - 1)] += number
    return sorted(
        (Refusals(gate, tuple(days)) for gate, days in found.items()), key=lambda each: (-each.count, each.gate)
    )


def latest_calls() -> list[ToolCall]:
    return list(connectors.tool_calls()[:LATEST])


def progress() -> Progress:
    """One question of four parts."""
    return Progress(
        **Tenant.objects.values(
            customer=Exists(tenants.customers().filter(status=Customer.Status.ACTIVE)),
            active=Exists(connectors.instances().filter(state=ConnectorInstance.State.ACTIVE)),
            mapped=Exists(CustomerMapping.objects.all()),
            automation=Exists(ServiceAccount.objects.filter(principal__disabled_at=None)),
        ).get()
    )


def customers() -> QuerySet[Customer]:
    """Each with the number of systems it is mapped to."""
    mapped = CustomerMapping.objects.filter(customer=OuterRef("pk")).order_by().values("customer")
    number = mapped.annotate(number=Count("id")).values("number")
    return tenants.customers().annotate(systems=Coalesce(Subquery(number), 0))


def mappings_of(customer: Customer) -> QuerySet[CustomerMapping]:
    return CustomerMapping.objects.filter(customer=customer).select_related("instance").order_by("instance__name", "id")


def instances() -> QuerySet[ConnectorInstance]:
    """Each with the number of customers it serves."""
    return connectors.instances().annotate(mapped=Count("mappings"))


def people() -> QuerySet[User]:
    """Each with its last sign-in, as far as the reader may see sessions."""
    last = Session.objects.filter(principal=OuterRef("pk")).order_by().values("principal")
    return identity.members().annotate(last_sign_in=Subquery(last.annotate(at=Max("created_at")).values("at")))


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def names_of(ids: list[UUID]) -> dict[UUID, str]:
    """Of what the reader may see: principals, customers and connections."""
    if not ids:
        return {}
    found = dict(Principal.objects.filter(id__in=ids).values_list("id", "label"))
    found |= dict(Customer.objects.filter(id__in=ids).values_list("id", "name"))
    return found | dict(ConnectorInstance.objects.filter(id__in=ids).values_list("id", "name"))


def has_authenticator(user: User) -> bool:
    return TotpDevice.objects.filter(user=user, confirmed=True).exists()
