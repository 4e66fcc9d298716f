"""What the portal shows: calls with verdicts, and worlds that have one of everything."""

import dataclasses
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.db import transaction

from approvals.batches import request_for_each
from approvals.models import ApprovalRequest, Preview
from approvals.policy import Effect, Ruling
from approvals.services import request_approval
from connectors.effects import digest_of
from connectors.models import ConnectorInstance, ToolCall
from connectors.services import map_customer, start_instance
from identity.models import Invitation, Principal
from identity.roles import Role
from identity.services import invite
from msplex.decision.verdicts import Gate
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Machine, Person, make_machine, make_member
from tests.oauth.flow import McpClient

PASSED = [{"gate": gate.value, "ok": True, "code": "", "detail": ""} for gate in Gate]


def refused_at(gate: Gate, code: str) -> list[dict[str, Any]]:
    before = PASSED[: list(Gate).index(gate)]
    return [*before, {"gate": gate.value, "ok": False, "code": code, "detail": "Because the test says so."}]


def make_call(world: TenantWorld, **given: Any) -> ToolCall:
    """A call that succeeded for the first customer, unless told otherwise."""
    values = {
        "principal_id": uuid4(),
        "principal_kind": "service_account",
        "principal_label": "triage-agent",
        "customer": world.customers[0] if world.customers else None,
        "connector": "halopsa",
        "tool": "halopsa_list_tickets",
        "arguments": {"status": "open"},
        "state": ToolCall.State.SUCCEEDED,
        "verdicts": PASSED,
        "rows_returned": 7,
        "rows_dropped": 2,
    } | given
    with world.acting():
        return ToolCall.objects.create(**values)


def make_refusal(world: TenantWorld, gate: Gate = Gate.EVALUATE_POLICY, code: str = "policy_denied") -> ToolCall:
    verdicts = refused_at(gate, code)
    return make_call(world, state=ToolCall.State.REFUSED, gate=gate.value, code=code, verdicts=verdicts)


def make_request(world: TenantWorld, **given: Any) -> ApprovalRequest:
    """One that waits: automation asks for what needs two people, unless told otherwise."""
    approvers, told = given.pop("approvers", 2), {name: given.pop(name, "") for name in ("reason", "ticket")}
    told["terms"] = given.pop("terms", None)
    with world.acting():
        if "principal_id" not in given:
            owner = Principal.objects.create(kind="service_account", label="triage-agent")
            given["principal_id"] = owner.pk
        instance = ConnectorInstance.objects.filter(connector="halopsa").first() or ConnectorInstance.objects.create(
            connector="halopsa", slug="halopsa", name="HaloPSA"
        )
        values = {
            "tenant_id": world.id, "principal_kind": "service_account", "principal_label": "triage-agent",
            "customer": world.customers[0], "instance": instance, "connector": "halopsa", "tool": "update_ticket",
            "arguments": {"ticket_id": 11003, "status_id": 9}, "state": ToolCall.State.REFUSED,
        }  # fmt: skip
        return request_approval(ToolCall(**values | given), Ruling(Effect.APPROVAL, approvers), **told)


def make_batch(world: TenantWorld, first: ApprovalRequest) -> list[ApprovalRequest]:
    """The same as it, but for the ticket, for every customer."""
    with world.acting():
        calls = [
            ToolCall(
                tenant_id=world.id, principal_id=first.requester_id, principal_kind="service_account",
                principal_label="triage-agent", customer=customer, instance=first.instance, connector="halopsa",
                tool="update_ticket", arguments={"ticket_id": 20_003 + number, "status_id": 9},
            )
            for number, customer in enumerate(world.customers)
        ]  # fmt: skip
        return request_for_each(calls, Ruling(Effect.APPROVAL, 2), reason="Close what the outage of Friday opened")


def make_preview(request: ApprovalRequest, objects: list[dict[str, Any]]) -> Preview:
    """As the broker has read it."""
    with as_role("broker"), acting_for(Context(request.tenant_id)), transaction.atomic():
        return Preview.objects.create(
            request=request, customer_id=request.customer_id, state="read", objects_seen=objects,
            digest=digest_of(objects), read_at=datetime.now(UTC),
        )  # fmt: skip


def ticket_seen(number: int, name: str, *, status: int = 2) -> dict[str, Any]:
    effects = [{"label": "Status", "now": status, "named": "In progress", "after": 9}]
    return {"kind": "Ticket", "id": str(number), "name": name, "found": True, "effects": effects}


@dataclasses.dataclass
class Furnished:
    """A tenant with one of everything, and its owner."""

    world: TenantWorld
    owner: Person
    instance: ConnectorInstance
    machine: Machine
    call: ToolCall
    refusal: ToolCall
    invitation: Invitation


def furnish(name: str = "acme", *, customers: int = 3) -> Furnished:
    world = make_tenant(name, customers=customers)
    owner = make_member(world, Role.OWNER)
    with world.acting():
        instance = start_instance("halopsa", by=SETUP)
        map_customer(instance, customer=world.customers[0], external_id="11", by=SETUP)
        invitation = invite(email="guest@x.example", role=Role.VIEWER, reason="To have one", by=SETUP)
    machine = make_machine(world, owner=owner)
    McpClient.registered().tokens(owner, world.customers[0])
    call, refusal = make_call(world, instance=instance), make_refusal(world)
    return Furnished(world, owner, instance, machine, call, refusal, invitation)
