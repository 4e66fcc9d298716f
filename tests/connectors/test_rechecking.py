"""A call that stands in the queue is not a call that may run: the broker asks again before it opens anything."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from approvals.models import ToolRule
from audit.models import Alert
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from msplex.execution import run
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer, Entitlement, Subscription, Tenant
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld, events_of, let_through
from tests.connectors.vendor import StubVendor
from tests.tenants.furnishing import as_administrator


def planted(world: ConnectedWorld, tool: str = "list_tickets", arguments: dict[str, Any] | None = None) -> UUID:
    """As the gateway leaves it, or whoever has taken the gateway over; no gate was asked."""
    with as_role("app"), world.tenant.acting():
        call = ToolCall(
            principal_id=uuid4(), principal_kind="service_account", principal_label="mallory",
            customer=world.tenant.customers[0], instance=world.instance, connector="halopsa", tool=tool,
            arguments=arguments or {}, roles=["operator"], state=ToolCall.State.QUEUED,
        )  # fmt: skip
        return let_through(call, world.instance).id


def ran(world: ConnectedWorld, call: UUID) -> tuple[str, str]:
    with acting_for(Context(world.tenant.id, (world.tenant.customers[0].id,))):
        run(call)
    with as_role("app"), world.tenant.acting():
        now = ToolCall.objects.get(id=call)
    return now.state, now.code


def suspended_by_provider(world: ConnectedWorld) -> None:
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("UPDATE provider.tenant SET active = false WHERE id = %s", [world.tenant.id])


def changed(model: Any, **values: Any) -> Callable[[ConnectedWorld], None]:
    def change(world: ConnectedWorld) -> None:
        with as_role("app"), world.tenant.acting():
            model.objects.update(**values)

    return change


def removed(model: Any) -> Callable[[ConnectedWorld], None]:
    def remove(world: ConnectedWorld) -> None:
        with as_administrator(), world.tenant.acting():
            model.objects.all().delete()

    return remove


def ruled(**terms: Any) -> Callable[[ConnectedWorld], None]:
    def change(world: ConnectedWorld) -> None:
        with as_role("app"), world.tenant.acting():
            ToolRule.objects.create(position=1, name="tests", **terms)

    return change


MEANWHILE: dict[str, tuple[Callable[[ConnectedWorld], None], str]] = {
    "the provider suspends the tenant": (suspended_by_provider, "tenant_suspended"),
    "the tenant is suspended": (changed(Tenant, status="suspended"), "tenant_suspended"),
    "the customer is archived": (changed(Customer, status="archived"), "customer_not_in_scope"),
    "the subscription ends": (changed(Subscription, status="cancelled"), "subscription_inactive"),
    "the subscription is gone": (removed(Subscription), "entitlements_unavailable"),
    "the entitlement is gone": (removed(Entitlement), "connector_not_entitled"),
    "the instance is switched off": (changed(ConnectorInstance, state="inactive"), "instance_not_ready"),
    "the instance fails": (changed(ConnectorInstance, health="failing"), "instance_not_ready"),
    "the mapping is gone": (removed(CustomerMapping), "instance_not_ready"),
    "a rule refuses it": (ruled(effect="refuse", tool="halopsa_list_tickets"), "policy_denied"),
    "a rule refuses its caller's role": (ruled(effect="refuse", role="operator"), "policy_denied"),
    "a rule asks for people": (ruled(effect="approval", approvers=1, risk="read"), "approval_required"),
}


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_queued_call_that_may_not_run_any_more_opens_and_sends_nothing(
    connected: ConnectedWorld,
    vendor: StubVendor,
    meanwhile: str,
) -> None:
    call = planted(connected)
    change, code = MEANWHILE[meanwhile]
    change(connected)
    vendor.reset()

    assert ran(connected, call) == ("failed", code)

    assert vendor.seen()["total"] == 0
    assert events_of(connected, "connectors:credential:open") == []


@pytest.mark.usefixtures("broker")
def test_a_call_that_needs_approval_does_not_run_because_it_stands_in_the_queue(
    connected: ConnectedWorld,
    vendor: StubVendor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = planted(connected, "add_note", {"ticket_id": 1101, "note": "planted"})
    vendor.reset()

    assert ran(connected, call) == ("failed", "approval_required")

    assert vendor.seen()["total"] == 0
    assert events_of(connected, "connectors:credential:open") == []
    [(header, body)] = events_of(connected, "gateway:call:finish")
    assert (header["result"], body["code"]) == ("failed", "approval_required")
    assert "alert" in caplog.text
    with as_role("app"), connected.tenant.acting():
        assert Alert.objects.get().kind == "unapproved_call"


@pytest.mark.usefixtures("broker")
def test_what_still_may_run_runs(connected: ConnectedWorld, vendor: StubVendor) -> None:
    assert ran(connected, planted(connected)) == ("succeeded", "")
    assert vendor.seen()["total"]
