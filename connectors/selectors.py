"""Every question about connectors. The acting tenant is the manager's, the customers in scope are the database's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from connectors.catalogue import all_connectors, find
from connectors.contract import Connector
from connectors.lifecycle import Lifecycle, lifecycle
from connectors.models import (
    AdoptedSecret,
    ClientSource,
    ConnectorInstance,
    Credential,
    CustomerMapping,
    Hook,
    ImportedTool,
    OwnCredential,
    Pause,
    SealedSecret,
    Signal,
    SignalPull,
    ToolCall,
    VendorClient,
)
from connectors.narrowing import normalised
from connectors.own_state import Owned, Standing, standing
from connectors.readiness import has_credential_for_all, is_entitled, needs_own
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, columns, made, one, split
from tenants.models import Customer, Entitlement
from tenants.selectors import entitlements

# A check that was asked for and is not there by then is asked for again: its message may be lost.
LATE = timedelta(seconds=45)
# A vendor that calls is looked at no sooner than so long after the last look.
NUDGED_EVERY = timedelta(seconds=30)
# Failed checks in a row after which the next ones wait longer; seconds between two at most; share of an interval.
PATIENCE, LONGEST_WAIT, SPREAD = 3, 3600, 0.2
_EARLIEST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Offer:
    """A connector of the catalogue, as the acting tenant sees it."""

    connector: Connector
    entitlement: Entitlement | None
    entitled: bool


@dataclass(frozen=True, slots=True)
class CallToRun:
    call: ToolCall
    instance: ConnectorInstance
    mapping: CustomerMapping
    paused: bool = False  # its risky tools (connectors.pauses)
    suspended: bool = False  # this tool


def catalogue(now: datetime) -> list[Offer]:
    held = {entitlement.connector: entitlement for entitlement in entitlements()}
    return [
        Offer(entry, held.get(entry.key), is_entitled(entry.key, held.get(entry.key), now))
        for entry in all_connectors()
    ]


def entitlement_for(connector: str) -> Entitlement | None:
    return entitlements().filter(connector=connector).first()


def instances() -> QuerySet[ConnectorInstance]:
    return ConnectorInstance.objects.order_by("name", "id")


def entitled(now: datetime) -> list[str]:
    return [offer.connector.key for offer in catalogue(now) if offer.entitled]


def askable(now: datetime) -> QuerySet[ConnectorInstance]:
    """Whose vendor the broker may ask something of its own accord: set up, not retired, and in the plan."""
    found = instances().filter(configured_at__isnull=False, connector__in=entitled(now))
    return found.exclude(state=ConnectorInstance.State.RETIRED)


def instances_with_credentials() -> QuerySet[ConnectorInstance]:
    """And with the pauses that hold, newest first."""
    pauses = Prefetch("pauses", Pause.objects.filter(lifted_at=None).order_by("-id"))
    for_all = Prefetch("credentials", Credential.objects.filter(customer=None))
    return instances().prefetch_related(for_all, pauses)


def lifecycle_of(instance: ConnectorInstance, now: datetime) -> Lifecycle:
    """Of one connection; `lifecycles` of many."""
    return lifecycle(
        instance,
        entitlement=entitlement_for(instance.connector),
        paused=Pause.objects.filter(instance=instance, lifted_at=None).exists(),
        credential=current_credential(instance),
        now=now,
    )


def lifecycles(found: Iterable[ConnectorInstance], now: datetime) -> dict[UUID, Lifecycle]:
    """By id, with as many questions for many as for one."""
    listed = list(found)
    ids = [instance.pk for instance in listed]
    held = {entitlement.connector: entitlement for entitlement in entitlements()}
    paused = set(Pause.objects.filter(instance__in=ids, lifted_at=None).values_list("instance_id", flat=True))
    newest = newest_credentials().filter(instance__in=ids)
    credentials = {credential.instance_id: credential for credential in newest}
    return {
        each.pk: lifecycle(
            each,
            entitlement=held.get(each.connector),
            paused=each.pk in paused,
            credential=credentials.get(each.pk),
            now=now,
        )
        for each in listed
    }


def newest_credentials() -> QuerySet[Credential]:
    """The current one of each connection, without those of single customers."""
    newer = Credential.objects.filter(instance=OuterRef("instance"), customer=None, version__gt=OuterRef("version"))
    return Credential.objects.filter(~Exists(newer), customer=None)


def newest_own_credentials() -> QuerySet[Credential]:
    """The current one of each customer who has its own on a connection."""
    of = {"instance": OuterRef("instance"), "customer": OuterRef("customer")}
    newer = Credential.objects.filter(version__gt=OuterRef("version"), **of)
    return Credential.objects.filter(Exists(OwnCredential.objects.filter(**of)), ~Exists(newer))


def current_credentials() -> QuerySet[Credential]:
    """All that is used: of connections, and of customers."""
    both = Q(id__in=newest_credentials().values("id")) | Q(id__in=newest_own_credentials().values("id"))
    return Credential.objects.filter(both)


def own_credentials(**narrowed: Any) -> dict[tuple[UUID, UUID], Owned]:
    """By connection and customer, of the customers in scope."""
    credentials = {(each.instance_id, each.customer_id): each for each in newest_own_credentials().filter(**narrowed)}
    found = OwnCredential.objects.filter(**narrowed)
    return {
        (own.instance_id, own.customer_id): Owned(own, credentials.get((own.instance_id, own.customer_id)))
        for own in found
    }


def standings(instance: ConnectorInstance, found: Iterable[CustomerMapping], now: datetime) -> dict[UUID, Standing]:
    """By mapping: with whose credential each of these customers is reached. Two queries for however many."""
    listed = list(found)
    owned = own_credentials(instance=instance, customer__in=[mapping.customer_id for mapping in listed])
    required = needs_own(find(instance.connector), instance)
    return {
        mapping.pk: standing(owned.get((instance.pk, mapping.customer_id)), required=required, now=now)
        for mapping in listed
    }


def instance_by_slug(slug: str) -> ConnectorInstance | None:
    return ConnectorInstance.objects.filter(slug=slug).first()


def mappings(instance: ConnectorInstance) -> QuerySet[CustomerMapping]:
    return CustomerMapping.objects.filter(instance=instance).select_related("customer").order_by("customer__name")


def mapping_for(instance: ConnectorInstance, customer: Customer | UUID) -> CustomerMapping | None:
    return CustomerMapping.objects.filter(instance=instance, customer=customer).first()


def unmapped_customers(instance: ConnectorInstance) -> QuerySet[Customer]:
    mapped = CustomerMapping.objects.filter(instance=instance).values("customer")
    return Customer.objects.filter(status=Customer.Status.ACTIVE).exclude(id__in=mapped).order_by("name")


def client_name(instance: ConnectorInstance, external_id: str) -> str:
    """As the vendor calls it; empty if its list does not have it."""
    found = VendorClient.objects.filter(instance=instance, external_id=external_id)
    return found.values_list("name", flat=True).first() or ""


def current_credential(instance: ConnectorInstance, customer: UUID | None = None) -> Credential | None:
    """The one for the whole connection, or a customer's own: the newest, even if it was removed."""
    return Credential.objects.filter(instance=instance, customer=customer).order_by("-version").first()


_SEALED = (
    f"SELECT {columns(SealedSecret, 's')}, {columns(Credential, 'c')} FROM connectors_sealedsecret s"  # noqa: S608
    " JOIN connectors_credential c ON c.tenant_id = s.tenant_id AND c.id = s.credential_id"
    " WHERE s.tenant_id = %s AND c.instance_id = %s AND c.customer_id IS NOT DISTINCT FROM %s"
    " ORDER BY c.version DESC LIMIT 1"
)
_ADOPTED = (
    f"SELECT {columns(Credential, 'c')}, {columns(AdoptedSecret, 'a')} FROM connectors_credential c"  # noqa: S608
    " LEFT JOIN connectors_adoptedsecret a ON a.tenant_id = c.tenant_id AND a.credential_id = c.id"
    " WHERE c.tenant_id = %s AND c.instance_id = %s AND {whose} ORDER BY c.version DESC LIMIT 1"
)
_ADOPTED_FOR_ALL, _ADOPTED_OWN = (
    _ADOPTED.format(whose="c.customer_id IS NULL"),
    _ADOPTED.format(whose="c.customer_id = %s"),
)


def sealed_secret(db: Signed, instance: ConnectorInstance, customer: UUID | None = None) -> SealedSecret | None:
    """The newest that was sealed. For the broker: no other role may read the table."""
    row = one(db.ask(_SEALED, acting_tenant(), instance.id, customer))
    if row is None:
        return None
    stored, credential = split(row, SealedSecret, Credential)
    stored.credential = credential
    return stored


def ask_adopted(db: Signed, instance: ConnectorInstance, customer: UUID | None = None) -> Any:
    """For the broker; read with `adopted_secret`."""
    if customer is None:
        return db.ask(_ADOPTED_FOR_ALL, acting_tenant(), instance.id)
    return db.ask(_ADOPTED_OWN, acting_tenant(), instance.id, customer)


def adopted_secret(asked: Any) -> tuple[Credential, AdoptedSecret | None] | None:
    """The current credential and, if the broker has adopted it, what is kept of it."""
    row = one(asked)
    if row is None:
        return None
    border = len(Credential._meta.concrete_fields)
    adopted = made(AdoptedSecret, row[border:]) if row[border] is not None else None
    return made(Credential, row[:border]), adopted


def due_for_check(now: datetime) -> list[ConnectorInstance]:
    """Those whose last check is long enough ago, or whose check was asked for and did not come.

    Drafts are checked too: activation waits for it. Inactive ones only when somebody asked.
    """
    asked = Q(check_asked_at__gt=F("checked"), check_asked_at__lte=now - LATE)
    due = asked
    for entry in all_connectors():
        before = now - timedelta(seconds=entry.health_interval)
        due |= Q(connector=entry.key, checked__lte=before) & ~Q(state=ConnectorInstance.State.INACTIVE)
    checked = Coalesce(F("health_checked_at"), _EARLIEST)
    found = askable(now).annotate(checked=checked, asked=Q(asked)).filter(due)
    return [instance for instance in found if instance.asked or now - instance.checked >= check_wait(instance)]


def check_wait(instance: ConnectorInstance) -> timedelta:
    """From one check to the next. Each connection has a moment of its own, so that not all come at once; one that
    fails again and again is asked less and less often, up to LONGEST_WAIT."""
    entry = find(instance.connector)
    seconds = entry.health_interval if entry else 0
    doubled = min(max(instance.health_failures - PATIENCE, 0), 10)
    wait = min(seconds * 2**doubled, max(LONGEST_WAIT, seconds))
    share = instance.pk.int % 1000 / 1000 if instance.health_checked_at else 0
    return timedelta(seconds=wait + SPREAD * seconds * share)


def connectors_with_signals() -> list[str]:
    return [entry.key for entry in all_connectors() if entry.signals is not None and has_credential_for_all(entry)]


def due_for_pull(now: datetime, every: timedelta) -> QuerySet[ConnectorInstance]:
    """Active ones that have not been asked for signals lately, or whose vendor has called since (connectors.hooks)."""
    called = Hook.objects.filter(instance=OuterRef("instance"), nudged_at__gt=OuterRef("pulled_at"))
    lately = SignalPull.objects.filter(pulled_at__gt=now - every)
    lately = lately.exclude(Exists(called), pulled_at__lte=now - NUDGED_EVERY)
    return askable(now).filter(state=ConnectorInstance.State.ACTIVE).exclude(id__in=lately.values("instance"))


def called_hook(address: str, now: datetime) -> Hook | None:
    """If its connection is active and in the plan. Both are asked for, whether there is such an address or not."""
    active = {"instance__state": ConnectorInstance.State.ACTIVE, "instance__configured_at__isnull": False}
    found = Hook.objects.select_related("instance").filter(address=address, **active).first()
    included = entitled(now)
    return found if found is not None and found.instance.connector in included else None


def owners(instance: ConnectorInstance) -> dict[str | None, UUID]:
    """Which of our customers each client of the vendor's is."""
    found = CustomerMapping.objects.filter(instance=instance)
    return {normalised(row.external_id): row.customer_id for row in found}


def signals() -> QuerySet[Signal]:
    """Newest first, by when we first saw them."""
    return _kept_by_mapping().select_related("customer", "instance").order_by("-id")


def _kept_by_mapping() -> QuerySet[Signal]:
    """Without what a mapping had brought that is gone, or is another now: that may be somebody else's. The next good
    pull removes it (connectors.signals), and that may be long in coming."""
    mapping = CustomerMapping.objects.filter(
        instance=OuterRef("instance"), customer=OuterRef("customer"), external_id=OuterRef("owner")
    )
    return Signal.objects.filter(Exists(mapping))


def client_source(instance: ConnectorInstance) -> ClientSource | None:
    """Where the tools are the tenant's: which of them lists the clients, if one does."""
    return ClientSource.objects.select_related("tool").filter(instance=instance).first()


def hook_of(instance: ConnectorInstance) -> Hook | None:
    return Hook.objects.select_related("instance").filter(instance=instance).first()


def pulls() -> QuerySet[SignalPull]:
    """What each connection was last asked, and with what result."""
    return SignalPull.objects.select_related("instance").order_by("instance__name", "id")


def open_signals_by_kind() -> dict[str, int]:
    """Of the customers in scope: how many events are open, and what the numbers add up to."""
    found = dict.fromkeys(Signal.Kind.values, 0)
    rows = _kept_by_mapping().filter(state=Signal.State.OPEN).order_by().values_list("kind")
    for kind, events, total in rows.annotate(events=Count("id"), total=Sum("count")):
        found[kind] = events if total is None else total
    return found


def tool_calls() -> QuerySet[ToolCall]:
    """Newest first: ids are in order of time."""
    return ToolCall.objects.select_related("customer", "instance").order_by("-id")


_NEEDED = (
    f"SELECT {columns(ConnectorInstance, 'i')}, {columns(CustomerMapping, 'm')}, ARRAY(SELECT"  # noqa: S608
    " CASE p.why WHEN 'foreign_rows' THEN p.tool ELSE '' END FROM connectors_pause p"
    " WHERE p.tenant_id = c.tenant_id AND p.instance_id = c.instance_id AND p.lifted_at IS NULL)"
    " FROM connectors_toolcall c"
    " JOIN connectors_connectorinstance i ON i.tenant_id = c.tenant_id AND i.id = c.instance_id"
    " JOIN connectors_customermapping m"
    " ON m.tenant_id = c.tenant_id AND m.instance_id = c.instance_id AND m.customer_id = c.customer_id"
    " WHERE c.tenant_id = %s AND c.id = %s"
)


def ask_what_is_needed(db: Signed, call_id: UUID) -> Any:
    """To run a call; read with `call_to_run`."""
    return db.ask(_NEEDED, acting_tenant(), call_id)


def call_to_run(call: ToolCall, needed: Any) -> CallToRun | None:
    """A call with all that running it needs; None if any of it is missing or out of scope."""
    row = one(needed)
    if row is None:
        return None
    waiting = row[-1]  # tools; an empty name stands for all risky ones
    return CallToRun(call, *split(row[:-1], ConnectorInstance, CustomerMapping), "" in waiting, call.tool in waiting)


def imported_tools() -> QuerySet[ImportedTool]:
    """Of every connection to a server; newest first."""
    return ImportedTool.objects.select_related("instance").order_by("-id")
