"""decide() over made-up tenants: no database, no clock, no queue."""

import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from approvals.policy import Effect, Rule, Window
from connectors.contract import Risk
from connectors.models import ConnectorInstance, Credential, OwnCredential
from connectors.own_state import Owned
from connectors.vendors.halopsa.connector import HALOPSA
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import Role
from msplex.decision import decide as module
from msplex.decision import gates
from msplex.decision import snapshot as snapshot_module
from msplex.decision.decide import decide, listed, why_nothing
from msplex.decision.explain import Question, explain
from msplex.decision.gates import GATES, LISTING, PERMISSIONS
from msplex.decision.snapshot import Snapshot
from msplex.decision.verdicts import Code, Gate, Refusal, Request, Usage
from tenants.models import Customer, Entitlement, Subscription, Tenant

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = UUID(int=1)
CUSTOMERS = [UUID(int=100 + number) for number in range(4)]
INSTANCES = [UUID(int=200 + number) for number in range(2)]
LIST = "halopsa_list_tickets"
YESTERDAY = NOW.date() - timedelta(days=1)


def make_snapshot(
    *,
    tenant: str = "active",
    subscription: str | None = "active",
    entitled: bool = True,
    valid_until: datetime | None = None,
    state: str = "active",
    ok_at: datetime | None = NOW,
    mapped: frozenset[tuple[UUID, UUID]] | None = None,
    archived: frozenset[UUID] = frozenset(),
    rules: tuple[Rule, ...] = (),
    instances: int = 1,
    included: int = 100,
    expires_on: date | None = None,
) -> Snapshot:
    ids = INSTANCES[:instances]
    return Snapshot(
        tenant=Tenant(id=TENANT, tenant_id=TENANT, name="Acme", status=tenant),
        revision=1,
        subscription=Subscription(id=TENANT, tenant_id=TENANT, status=subscription) if subscription else None,
        entitlements={
            "halopsa": Entitlement(
                tenant_id=TENANT, connector="halopsa", included_calls=included, valid_until=valid_until
            )
        }
        if entitled
        else {},
        instances=tuple(
            ConnectorInstance(
                id=instance, tenant_id=TENANT, connector="halopsa", slug=f"halopsa{number or ''}", name="Halo",
                state=state, configured_at=NOW, health="healthy", health_ok_at=ok_at,
            )
            for number, instance in enumerate(ids)
        ),
        credentials={
            instance: Credential(tenant_id=TENANT, instance_id=instance, version=1, expires_on=expires_on)
            for instance in ids
        },
        customers={
            customer: Customer(
                id=customer, tenant_id=TENANT, name=f"C{number}", key=f"c{number}",
                status="archived" if customer in archived else "active",
            )
            for number, customer in enumerate(CUSTOMERS)
        },
        mapped=frozenset((i, c) for i in ids for c in CUSTOMERS if mapped is None or (i, c) in mapped),
        rules=rules,
    )  # fmt: skip


def rule(effect: str, **terms: Any) -> Rule:
    return Rule(uuid4(), 1, "tests", Effect(effect), terms.pop("approvers", int(effect == "approval")), **terms)


def make_principal(*grants: Grant) -> ActingPrincipal:
    return ActingPrincipal(UUID(int=9), PrincipalKind.SERVICE_ACCOUNT, "agent", TENANT, 1, grants)


OPERATOR = make_principal(Grant(Role.OPERATOR, CUSTOMERS[0]))


def call(snapshot: Snapshot, principal: ActingPrincipal | None = OPERATOR, **usage):
    return decide(snapshot, principal, Request(LIST, {}), now=NOW, usage=Usage(**usage))


def test_what_passes_ten_gates_is_allowed():
    decision = call(make_snapshot())

    assert decision.allowed
    assert [verdict.gate for verdict in decision.verdicts] == list(Gate)[:10]


@pytest.mark.parametrize(
    ("case", "principal", "gate", "code"),
    [
        ({}, None, Gate.AUTHENTICATE_PRINCIPAL, Code.PRINCIPAL_REFUSED),
        ({"tenant": "suspended"}, OPERATOR, Gate.RESOLVE_TENANT, Code.TENANT_SUSPENDED),
        ({}, dataclasses.replace(OPERATOR, tenant_active=False), Gate.RESOLVE_TENANT, Code.TENANT_SUSPENDED),
        ({}, dataclasses.replace(OPERATOR, tenant_id=UUID(int=2)), Gate.RESOLVE_TENANT, Code.TENANT_SUSPENDED),
        ({}, make_principal(Grant(Role.OPERATOR)), Gate.RESOLVE_CUSTOMER, Code.CUSTOMER_REQUIRED),
        ({"archived": frozenset(CUSTOMERS)}, OPERATOR, Gate.RESOLVE_CUSTOMER, Code.CUSTOMER_REQUIRED),
        ({"subscription": None}, OPERATOR, Gate.LOAD_ENTITLEMENTS, Code.ENTITLEMENTS_UNAVAILABLE),
        ({"subscription": "cancelled"}, OPERATOR, Gate.VERIFY_SUBSCRIPTION, Code.SUBSCRIPTION_INACTIVE),
        ({"subscription": "suspended"}, OPERATOR, Gate.VERIFY_SUBSCRIPTION, Code.SUBSCRIPTION_INACTIVE),
        ({"entitled": False}, OPERATOR, Gate.VERIFY_CONNECTOR_ENTITLEMENT, Code.CONNECTOR_NOT_ENTITLED),
        ({"valid_until": NOW}, OPERATOR, Gate.VERIFY_CONNECTOR_ENTITLEMENT, Code.CONNECTOR_NOT_ENTITLED),
        ({"instances": 0}, OPERATOR, Gate.VERIFY_CONNECTOR_ENTITLEMENT, Code.UNKNOWN_TOOL),
        ({"state": "draft"}, OPERATOR, Gate.VERIFY_INSTANCE_READINESS, Code.INSTANCE_NOT_READY),
        ({"ok_at": NOW - timedelta(hours=1)}, OPERATOR, Gate.VERIFY_INSTANCE_READINESS, Code.INSTANCE_NOT_READY),
        ({"expires_on": YESTERDAY}, OPERATOR, Gate.VERIFY_INSTANCE_READINESS, Code.INSTANCE_NOT_READY),
        ({"mapped": frozenset()}, OPERATOR, Gate.VERIFY_INSTANCE_READINESS, Code.INSTANCE_NOT_READY),
        ({"rules": (rule("approval", tool=LIST),)}, OPERATOR, Gate.CHECK_APPROVAL, Code.APPROVAL_REQUIRED),
        ({"rules": (rule("approval", risk="read"),)}, OPERATOR, Gate.CHECK_APPROVAL, Code.APPROVAL_REQUIRED),
        ({"rules": (rule("refuse", tool=LIST),)}, OPERATOR, Gate.EVALUATE_POLICY, Code.POLICY_DENIED),
    ],
)
def test_each_gate_has_a_rule_and_a_refusal_of_its_own(case, principal, gate, code):
    decision = call(make_snapshot(**case), principal)

    assert decision.refusal is not None
    assert (decision.gate, decision.refusal.code) == (gate, code)
    assert decision.refusal.message
    assert all(verdict.ok for verdict in decision.verdicts[:-1])


@pytest.mark.parametrize("status", ["active", "trialing", "past_due"])
def test_who_is_late_with_a_payment_is_not_cut_off(status):
    assert call(make_snapshot(subscription=status)).allowed


def test_what_a_connection_lacks_is_told_to_those_who_set_it_up_and_not_to_its_callers():
    lacking = {
        "switched it off": {"state": "inactive"},
        "Enter a new one": {"expires_on": YESTERDAY},
        "the broker and the queue run": {"ok_at": NOW - timedelta(hours=1)},
    }
    refusals = []
    for next_, case in lacking.items():
        snapshot = make_snapshot(**case)
        refusals.append(call(snapshot).refusal)
        explained = explain(Question(snapshot, OPERATOR, Request(LIST, {}), NOW))

        assert [next_ in change.text for change in explained.changes] == [True]  # and that is all it takes
        assert explained.complete

    assert len(set(refusals)) == 1


def test_the_first_rule_that_fits_decides():
    allow, ask = rule("allow", tool=LIST), rule("approval", risk="read")

    assert call(make_snapshot(rules=(allow, ask))).allowed
    assert call(make_snapshot(rules=(ask, allow))).refusal.code == Code.APPROVAL_REQUIRED


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        ({"used": 100}, Code.QUOTA_EXHAUSTED),
        ({"waits": (3,)}, Code.RATE_LIMITED),
        ({"waits": (0, 3)}, Code.RATE_LIMITED),
    ],
)
def test_quota_and_rate(usage, code):
    decision = call(make_snapshot(), **usage)

    assert decision.refusal is not None
    assert (decision.gate, decision.refusal.code) == (Gate.CHECK_QUOTA, code)
    assert call(make_snapshot(), used=99).allowed


def test_who_is_too_fast_is_told_by_whose_limit():
    limited = make_snapshot()
    for customer in limited.customers.values():
        customer.calls_per_minute = 7

    of_plan, of_customer = call(limited, waits=(5, 2)).refusal, call(limited, waits=(2, 5)).refusal

    assert [each.retry_after for each in (of_plan, of_customer)] == [5, 5]
    assert "its own limit" not in of_plan.message
    assert "More than 7 calls a minute for" in of_customer.message


def test_a_customers_own_limit_is_asked_after_the_plans():
    limited = make_snapshot()
    for customer in limited.customers.values():
        customer.monthly_calls = 10

    assert call(limited, of_customer=9).allowed
    assert call(limited, of_customer=10).refusal.code == Code.CUSTOMER_LIMIT_REACHED
    assert call(limited, used=100, of_customer=10).refusal.code == Code.QUOTA_EXHAUSTED


def test_a_role_without_tools_hides_them():
    decision = decide(
        make_snapshot(), make_principal(Grant(Role.BILLING)), Request(LIST, {}, str(CUSTOMERS[0])), now=NOW
    )

    assert decision.hidden
    assert decision.gate == Gate.EVALUATE_POLICY


def test_a_tool_denied_for_one_customer_and_not_for_another_is_no_secret():
    principal = make_principal(Grant(Role.OPERATOR, CUSTOMERS[0]), Grant(Role.BILLING))

    denied = decide(make_snapshot(), principal, Request(LIST, {}, str(CUSTOMERS[1])), now=NOW)

    assert denied.refusal is not None
    assert (denied.refusal.code, denied.hidden) == (Code.POLICY_DENIED, False)


@pytest.mark.parametrize("case", [{}, {"state": "draft"}, {"entitled": False}, {"mapped": frozenset()}])
def test_why_a_list_is_empty_names_no_tool_to_who_may_not_know_of_any(case):
    gate, refusal = why_nothing(make_snapshot(**case), make_principal(Grant(Role.BILLING, CUSTOMERS[0])), now=NOW)

    assert (gate, refusal.code) == (Gate.EVALUATE_POLICY, Code.POLICY_DENIED)
    assert "halo" not in refusal.message.casefold()


def test_what_only_the_token_lacks_is_said_and_no_secret():
    """Its holder may ask for a token that has it."""
    principal = dataclasses.replace(OPERATOR, scopes=frozenset({PERMISSIONS[Risk.WRITE]}))

    refused = decide(make_snapshot(), principal, Request(LIST, {}), now=NOW)

    assert (refused.gate, refused.refusal.code) == (Gate.EVALUATE_POLICY, Code.INSUFFICIENT_SCOPE)
    assert not refused.hidden


def test_a_decision_is_pure():
    snapshot = make_snapshot()

    assert call(snapshot) == call(snapshot)


@pytest.mark.parametrize("index", range(LISTING))
def test_a_gate_that_refuses_empties_the_list_and_stops_the_call(monkeypatch, index):
    """One function for both: change one gate, and list and call change together."""
    snapshot = make_snapshot()
    assert listed(snapshot, OPERATOR, now=NOW)
    assert call(snapshot).allowed

    changed = list(GATES)
    changed[index] = (GATES[index][0], lambda _attempt: Refusal("changed", "changed"))
    monkeypatch.setattr(module, "GATES", tuple(changed))

    assert listed(snapshot, OPERATOR, now=NOW) == []
    assert call(snapshot).gate == GATES[index][0]


def test_a_list_asks_once_where_a_connection_stands_and_anew_at_each_moment(monkeypatch):
    snapshot, asked = make_snapshot(instances=2), []
    original = snapshot_module.lifecycle
    monkeypatch.setattr(
        snapshot_module, "lifecycle", lambda instance, **facts: asked.append(instance) or original(instance, **facts)
    )

    shown = listed(snapshot, OPERATOR, now=NOW)

    assert len(shown) > len(asked)
    assert sorted(each.slug for each in asked) == [each.slug for each in snapshot.instances]
    assert listed(snapshot, OPERATOR, now=NOW + timedelta(hours=1)) == []  # the last check says nothing any more
    assert listed(snapshot, OPERATOR, now=NOW) == shown


def test_a_list_at_the_last_moment_of_a_plan_or_a_rule_is_another_one_at_the_next():
    """Of one snapshot, as it is kept: what the clock alone changes is not kept with it."""
    plan = make_snapshot(valid_until=NOW + timedelta(microseconds=1))
    hours = make_snapshot(rules=(rule("refuse", window=Window(frozenset(), time(12), time(13))),))
    noon = NOW.replace(hour=12, minute=0, second=0, microsecond=0)

    for snapshot, edge in ((plan, NOW + timedelta(microseconds=1)), (hours, noon)):
        assert listed(snapshot, OPERATOR, now=edge - timedelta(microseconds=1))
        assert listed(snapshot, OPERATOR, now=edge) == []


def test_a_customer_is_named_by_key_or_by_id_however_the_id_is_written():
    snapshot, customer = make_snapshot(), CUSTOMERS[1]

    for name in ("c1", str(customer), str(customer).upper(), customer.hex):
        assert snapshot.customer_named(name) is snapshot.customers[customer]
    assert snapshot.customer_named("c9") is snapshot.customer_named(str(uuid4())) is None


def test_every_risk_has_a_permission_of_its_own():
    assert set(PERMISSIONS) == set(Risk)
    assert len(set(PERMISSIONS.values())) == len(Risk)


def test_to_who_may_only_read_what_changes_something_does_not_exist():
    viewer = make_principal(Grant(Role.VIEWER, CUSTOMERS[0]))

    shown = {tool.tool.risk for tool in listed(make_snapshot(), viewer, now=NOW)}
    refused = decide(make_snapshot(), viewer, Request(f"halopsa_{RISKY}", {}), now=NOW)

    assert shown == {Risk.READ}
    assert (refused.gate, refused.refusal.code, refused.hidden) == (Gate.EVALUATE_POLICY, Code.POLICY_DENIED, True)


def test_the_gates_stand_in_the_order_of_their_names():
    assert [gate for gate, _ in gates.GATES] == list(Gate)[:10]


RISKY = next(tool.name for tool in HALOPSA.tools if tool.risk is Risk.WRITE)


def test_a_suspended_tool_is_neither_listed_nor_run_and_the_others_are():
    instance, tool = INSTANCES[0], "list_tickets"
    snapshot = dataclasses.replace(make_snapshot(), suspended=frozenset({(instance, tool)}))
    owner = make_principal(Grant(Role.OPERATOR, CUSTOMERS[0]))

    before, after = ({offered.name for offered in listed(each, owner, now=NOW)} for each in (make_snapshot(), snapshot))
    refused = decide(snapshot, owner, Request(f"halopsa_{tool}", {}), now=NOW)

    assert before - after == {f"halopsa_{tool}"}
    assert (refused.gate, refused.refusal.code) == (Gate.VERIFY_INSTANCE_READINESS, Code.TOOL_SUSPENDED)


def test_a_pause_takes_what_changes_something_off_the_list_and_refuses_it_and_leaves_what_reads():
    owner = make_principal(Grant(Role.OPERATOR, CUSTOMERS[0]))
    paused = dataclasses.replace(make_snapshot(), paused=frozenset(INSTANCES))

    before = {tool.name for tool in listed(make_snapshot(), owner, now=NOW)}
    after = {tool.name for tool in listed(paused, owner, now=NOW)}
    refused = decide(paused, owner, Request(f"halopsa_{RISKY}", {}), now=NOW)

    assert f"halopsa_{RISKY}" in before - after
    assert after == {tool.name for tool in paused.tools.values() if tool.tool.risk is Risk.READ}
    assert (refused.gate, refused.refusal.code) == (Gate.VERIFY_INSTANCE_READINESS, Code.RISKY_TOOLS_PAUSED)
    assert "resumes it in the portal" in refused.refusal.message
    assert call(paused, owner).allowed


# A customer's own credential -------------------------------------------------------------------------------------


def owning(snapshot: Snapshot, *customers: UUID, only: bool = False, ends: date | None = None, **how: Any) -> Snapshot:
    """Of a connection to Hudu, which gives out such. `how`: what its checks have said."""
    instance = ConnectorInstance(
        id=INSTANCES[0], tenant_id=TENANT, connector="hudu", slug="hudu", name="Hudu", state="active",
        configured_at=NOW, health="healthy", health_ok_at=NOW, own_credentials_only=only,
    )  # fmt: skip
    row = {"health": "healthy", "health_ok_at": NOW} | how
    owned = {
        (instance.id, customer): Owned(
            OwnCredential(id=uuid4(), tenant_id=TENANT, instance_id=instance.id, customer_id=customer, **row),
            Credential(tenant_id=TENANT, instance_id=instance.id, customer_id=customer, version=1, expires_on=ends),
        )
        for customer in customers
    }
    entitlements = {"hudu": Entitlement(tenant_id=TENANT, connector="hudu", included_calls=100)}
    return dataclasses.replace(snapshot, instances=(instance,), entitlements=entitlements, own=owned)


EVERYBODY = make_principal(Grant(Role.OPERATOR))
HUDU_LIST = "hudu_list_assets"


def said_of(snapshot: Snapshot, customer: UUID, principal: ActingPrincipal = EVERYBODY) -> str:
    refusal = decide(snapshot, principal, Request(HUDU_LIST, {}, str(customer)), now=NOW).refusal
    return refusal.code if refusal else ""


BROKEN = [
    {"health": "failing", "health_code": "vendor_unauthorized"},
    {"health_ok_at": NOW - timedelta(hours=2)},
    {"health": "unknown", "health_ok_at": None, "check_asked_at": NOW},
    {"ends": YESTERDAY},
]


@pytest.mark.parametrize("how", BROKEN)
def test_a_customers_own_credential_that_does_not_work_takes_its_tools_off_and_nobody_elses(how):
    snapshot = owning(make_snapshot(), CUSTOMERS[0], **how)

    assert [said_of(snapshot, customer) for customer in CUSTOMERS[:2]] == [Code.OWN_CREDENTIAL_NOT_READY, ""]
    alone = make_principal(Grant(Role.OPERATOR, CUSTOMERS[0]))
    assert listed(snapshot, alone, now=NOW) == []
    assert listed(snapshot, EVERYBODY, now=NOW)


def test_with_one_in_order_and_without_any_calls_are_allowed():
    snapshot = owning(make_snapshot(), CUSTOMERS[0])

    assert [said_of(snapshot, customer) for customer in CUSTOMERS[:2]] == ["", ""]


def test_where_only_their_own_count_a_customer_without_one_is_not_reachable():
    snapshot = owning(make_snapshot(), CUSTOMERS[2], only=True)

    assert [said_of(snapshot, each) for each in CUSTOMERS[:3]] == [Code.OWN_CREDENTIAL_REQUIRED] * 2 + [""]
    assert listed(snapshot, make_principal(Grant(Role.OPERATOR, CUSTOMERS[0])), now=NOW) == []


def test_the_list_finds_the_one_customer_that_is_reachable_wherever_it_stands():
    """To a tenant-wide caller: not the first that is mapped, and not the first with its own."""
    snapshot = owning(make_snapshot(), *CUSTOMERS[1:], only=True, health="failing", health_ok_at=None)
    assert listed(snapshot, EVERYBODY, now=NOW) == []

    good = owning(make_snapshot(), CUSTOMERS[3], only=True).own
    assert listed(dataclasses.replace(snapshot, own={**snapshot.own, **good}), EVERYBODY, now=NOW)


def test_the_switch_means_nothing_where_a_vendor_has_no_fences():
    snapshot = make_snapshot()
    for instance in snapshot.instances:
        instance.own_credentials_only = True

    assert call(snapshot).allowed


@pytest.mark.parametrize("how", [{"only": True}, *BROKEN])
def test_what_is_said_to_help_a_customer_without_a_working_one_is_enough(how):
    customers = () if "only" in how else CUSTOMERS[:1]
    snapshot = owning(make_snapshot(), *customers, **how)

    found = explain(Question(snapshot, EVERYBODY, Request(HUDU_LIST, {}, str(CUSTOMERS[0])), NOW))

    assert found.complete
    assert [change.code for change in found.changes] == [
        Code.OWN_CREDENTIAL_REQUIRED if "only" in how else Code.OWN_CREDENTIAL_NOT_READY
    ]
    assert "C0" in found.changes[0].text
