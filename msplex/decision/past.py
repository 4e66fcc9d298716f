"""A tenant as it was at a moment: what its log and its plan's periods say, and nothing that would have to be guessed.

Each part is replayed from the first event on, and believed only if the replay ends in what is there now: a part that
was changed without a record, or whose events were erased or lie outside of the reader's customers, cannot be told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from django.db.models import Q

from approvals.models import ToolRule
from approvals.policy import Rule
from approvals.rules import facts, rules
from audit.kinds import EventKind
from audit.models import Event
from billing.models import SubscriptionPeriod
from billing.terms import ConnectorTerms
from identity.models import Principal, RoleBinding
from identity.principals import Grant
from identity.roles import Role
from msplex.decision.snapshot import Snapshot
from tenants.ids import uuid7_time
from tenants.models import Customer, Entitlement, Subscription

_RULES = (
    EventKind.TOOL_RULE_ADDED, EventKind.TOOL_RULE_CHANGED, EventKind.TOOL_RULE_MOVED, EventKind.TOOL_RULE_REMOVED,
)  # fmt: skip
_ROLES = (EventKind.ROLE_BOUND, EventKind.ROLE_UNBOUND)
_STATES = (EventKind.PRINCIPAL_DISABLED, EventKind.PRINCIPAL_ENABLED)
Order = list[tuple[UUID, dict[str, Any]]]
Held = dict[tuple[str, UUID | None], datetime | None]


@dataclass(frozen=True, slots=True)
class Past:
    """None: cannot be told. `enabled`: whether the principal was there, and not disabled."""

    at: datetime
    enabled: bool | None
    grants: tuple[Grant, ...] | None
    rules: tuple[Rule, ...] | None
    subscription: Subscription | None
    entitlements: Mapping[str, Entitlement] | None

    def of(self, state: Snapshot) -> Snapshot:
        """The state of now, with what is known of then; connections and customers that came later are not there."""
        return replace(
            state,
            rules=self.rules or (),
            subscription=self.subscription,
            entitlements=self.entitlements or {},
            instances=tuple(each for each in state.instances if uuid7_time(each.id) <= self.at),
            customers=_customers(state, self.at),
        )


def past(principal_id: UUID, at: datetime) -> Past:
    """In the open transaction, of the acting tenant."""
    period, entitlements = _plan(at)
    return Past(at, _enabled(principal_id, at), _grants(principal_id, at), _rules(at), period, entitlements)


def _events(*kinds: EventKind, **about: Any) -> Iterator[Event]:
    return Event.objects.filter(kind__in=[kind.value for kind in kinds], **about).order_by("id").iterator()


def _rules(at: datetime) -> tuple[Rule, ...] | None:
    order: Order = []
    then: Order = []
    for event in _events(*_RULES):
        if not _applied(order, event):
            return None
        if event.occurred_at <= at:
            then = list(order)
    if order != [(row.pk, facts(row)) for row in rules()]:
        return None
    made = [_rule(place, id_, said, at) for place, (id_, said) in enumerate(then, 1)]
    return tuple(Rule.of(row) for row in made if row.enabled)


def _applied(order: Order, event: Event) -> bool:
    """False of an event that does not say enough, or does not fit what was before."""
    id_, said = event.subject_id, event.facts
    place = next((place for place, (known, _) in enumerate(order) if known == id_), None)
    if id_ is None or (place is None) is not (event.kind == EventKind.TOOL_RULE_ADDED):
        return False
    after = said.get("after")
    if place is not None:
        kept = order.pop(place)
        if event.kind == EventKind.TOOL_RULE_MOVED and isinstance(after, int):
            order.insert(after - 1, kept)
        elif event.kind == EventKind.TOOL_RULE_CHANGED and isinstance(after, dict):
            order.insert(place, (id_, after))
        return event.kind == EventKind.TOOL_RULE_REMOVED or after is not None
    order.append((id_, after or {}))
    return isinstance(after, dict)


def _rule(place: int, id_: UUID, said: Mapping[str, Any], at: datetime) -> ToolRule:
    """Out of what the record says; what it leaves out was open, or off."""
    terms = {"enabled": False, **said, "customer_id": UUID(said["customer"]) if said.get("customer") else None}
    terms |= {name: time.fromisoformat(terms[name]) for name in ("starts", "ends") if name in terms}
    terms.pop("customer", None)
    return ToolRule(id=id_, position=place, changed_at=at, **terms)


def _grants(principal_id: UUID, at: datetime) -> tuple[Grant, ...] | None:
    held: Held = {}
    then: Held = {}
    for event in _events(*_ROLES, subject_id=principal_id):
        key = (event.facts.get("role", ""), event.customer_id)
        if event.kind == EventKind.ROLE_BOUND:
            until = event.facts.get("expires_at")
            held[key] = datetime.fromisoformat(until) if until else None
        else:
            held.pop(key, None)
        if event.occurred_at <= at:
            then = dict(held)
    rows = RoleBinding.objects.filter(principal_id=principal_id)
    if held != {(row.role, row.customer_id): row.expires_at for row in rows}:
        return None
    return tuple(Grant(Role(role), customer) for (role, customer), until in then.items() if until is None or until > at)


def _enabled(principal_id: UUID, at: datetime) -> bool | None:
    principal = Principal.objects.filter(id=principal_id).first()
    if principal is None:
        return None
    now = then = True
    for event in _events(*_STATES, subject_id=principal_id):
        now = event.kind == EventKind.PRINCIPAL_ENABLED
        then = now if event.occurred_at <= at else then
    if now is (principal.disabled_at is not None):
        return None
    return then and uuid7_time(principal.pk) <= at


def _plan(at: datetime) -> tuple[Subscription | None, Mapping[str, Entitlement] | None]:
    """By the period of then; the terms only while the plan alone says what is entitled."""
    periods = SubscriptionPeriod.objects.select_related("plan_version").order_by("version")
    then = periods.filter(valid_from__lte=at).filter(Q(valid_to=None) | Q(valid_to__gt=at)).first()
    newest, kept = periods.filter(valid_to=None).first(), Subscription.objects.first()
    if then is None or newest is None or kept is None:
        return None, None
    if (newest.version, newest.status) != (kept.version, kept.status):
        return None, None
    subscription = Subscription(id=kept.pk, plan=then.plan_version.plan, status=then.status, version=then.version)
    current = Entitlement.objects.filter(Q(valid_until=None) | Q(valid_until__gt=newest.valid_from))
    granted = {each.connector: _terms(each) for each in current}
    planned = {name: _terms(each) for name, each in _entitled(newest).items()}
    return subscription, _entitled(then) if granted == planned else None


def _entitled(period: SubscriptionPeriod) -> dict[str, Entitlement]:
    found = {}
    for connector, told in period.plan_version.connectors.items():
        terms = ConnectorTerms.from_json(told)
        found[connector] = Entitlement(
            connector=connector, included_calls=terms.included_calls, overage_allowed=terms.overage_allowed,
            calls_per_minute=terms.calls_per_minute,
        )  # fmt: skip
    return found


def _terms(each: Entitlement) -> tuple[int, bool, int]:
    return each.included_calls, each.overage_allowed, each.calls_per_minute


def _customers(state: Snapshot, at: datetime) -> dict[UUID, Customer]:
    """Those of then, by the keys of now. One that was archived since was active."""
    archived = _events(EventKind.CUSTOMER_ARCHIVED)
    since = {event.subject_id for event in archived if event.occurred_at > at}
    found = {}
    for customer in state.customers.values():
        if uuid7_time(customer.pk) <= at:
            status = Customer.Status.ACTIVE.value if customer.pk in since else customer.status
            found[customer.pk] = Customer(
                id=customer.pk, tenant_id=customer.tenant_id, key=customer.key, name=customer.name, status=status
            )
    return found
