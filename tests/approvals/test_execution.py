"""The broker believes no state: it counts the votes itself, over what it is about to send, and once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from approvals.binding import SALT_BYTES, challenge_of
from approvals.granting import GRANT
from approvals.models import ApprovalRequest, ExecutionGrant, ToolRule, Vote
from approvals.policy import Effect, Ruling
from approvals.services import request_approval
from audit.kinds import EventKind
from connectors.models import CustomerMapping, ToolCall
from connectors.signing import is_signed
from identity.models import Principal, RoleBinding
from identity.roles import Role
from msplex.claiming import claimed
from msplex.execution import give_up_lost_calls, run
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import approve, demote
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld, events_of, let_through
from tests.connectors.vendor import notes
from tests.identity.authenticator import Authenticator
from tests.identity.factories import Machine, Person, make_machine, make_member

pytestmark = pytest.mark.usefixtures("broker")
NOTE = {"ticket_id": 11003, "note": "Restarted the print spooler"}
State = ApprovalRequest.State


class Approved:
    """A note that an agent may write once, because alice and bob have said so. `voting`: only that many have."""

    def __init__(self, world: ConnectedWorld, need: int = 2, voting: int | None = None) -> None:
        self.world = world
        with as_role("app"):
            self.machine: Machine = make_machine(world.tenant)
            self.people: list[Person] = [make_member(world.tenant, Role.ADMIN, name=f"p{each}") for each in range(need)]
            with world.tenant.acting():
                self.request = request_approval(self.call(), Ruling(Effect.APPROVAL, need))
            for person in self.people[:voting]:
                assert approve(person, self.request)

    def call(self, **given: Any) -> ToolCall:
        values = {
            "tenant_id": self.world.tenant.id, "principal_id": self.machine.id, "principal_kind": "service_account",
            "principal_label": "agent", "customer": self.world.tenant.customers[0], "instance": self.world.instance,
            "connector": "halopsa", "tool": "add_note", "arguments": NOTE, "state": ToolCall.State.QUEUED,
        }  # fmt: skip
        return ToolCall(**values | given)

    def taken(self, **given: Any) -> UUID:
        """As the gateway leaves it behind for the broker."""
        with as_role("app"), self.world.tenant.acting():
            call = self.call(approval_id=self.request.pk, **given)
            let_through(call, self.world.instance)
            ApprovalRequest.objects.filter(id=self.request.pk).update(
                state=State.EXECUTING, call_id=call.pk, ended_at=None
            )
        return call.pk

    def plant(self, **given: Any) -> None:
        """A vote of the last of the people, with the web's own rights."""
        request = self.request
        values = {
            "request": request, "customer_id": request.customer_id, "requester_id": request.requester_id,
            "answerable_id": request.answerable_id, "digest": request.digest, "approver_id": self.people[-1].id,
            "approver_label": "x", "decision": "approve", "factor": "totp", "factor_ref": "0" * 64,
            "created_at": datetime.now(UTC),
        }  # fmt: skip
        with as_role("app"), self.world.tenant.acting():
            Vote.objects.create(**values | given)
            now = datetime.now(UTC)
            ApprovalRequest.objects.update(approved_at=now, execute_by=now + timedelta(minutes=15))

    def ran(self, call: UUID) -> tuple[str, str]:
        with acting_for(Context(self.world.tenant.id, (self.world.tenant.customers[0].id,))):
            run(call)
        with as_role("app"), self.world.tenant.acting():
            now = ToolCall.objects.get(id=call)
        return now.state, now.code

    def now(self) -> ApprovalRequest:
        with as_role("app"), self.world.tenant.acting():
            return ApprovalRequest.objects.get(id=self.request.pk)

    def change(self, model: Any, **values: Any) -> None:
        with as_role("app"), self.world.tenant.acting():
            model.objects.update(**values)


def test_an_approved_call_runs_and_the_brokers_word_for_it_is_signed(connected, vendor) -> None:
    approved = Approved(connected)
    vendor.reset()

    assert approved.ran(approved.taken()) == ("succeeded", "")

    assert notes(vendor) == 1
    assert approved.now().state == State.EXECUTED
    with as_role("app"), connected.tenant.acting():
        grant = ExecutionGrant.objects.get()
    assert (grant.nonce, grant.digest) == (approved.request.nonce, approved.request.digest)
    assert is_signed(bytes(grant.signature), GRANT, grant.payload.encode())
    assert not is_signed(bytes(grant.signature), GRANT, grant.payload.replace("1", "2").encode())
    assert all(str(person.id) in grant.payload for person in approved.people)
    [(header, body)] = events_of(connected, EventKind.APPROVAL_GRANTED)
    assert body["grant"] == grant.payload
    assert header["call"]["tool"] == "add_note"


def test_it_runs_once_whatever_is_written_back(connected, vendor) -> None:
    approved = Approved(connected)
    approved.ran(approved.taken())
    vendor.reset()

    again = approved.taken()  # with the web's own rights, as injected SQL would

    assert approved.ran(again) == ("failed", "approval_void")
    assert notes(vendor) == 0
    with as_role("app"), connected.tenant.acting():
        assert ExecutionGrant.objects.count() == 1


def test_fifty_messages_of_one_call_at_once_run_it_once(connected, vendor) -> None:
    approved = Approved(connected, need=1)
    call = approved.taken()
    vendor.reset()

    def deliver(_: int) -> None:
        try:
            with as_role("broker"), acting_for(Context(connected.tenant.id, (connected.tenant.customers[0].id,))):
                run(call)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(deliver, range(50)))

    assert notes(vendor) == 1
    assert approved.now().state == State.EXECUTED
    assert len(events_of(connected, EventKind.APPROVAL_GRANTED)) == 1


def mapping(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        CustomerMapping.objects.filter(customer=it.world.tenant.customers[0]).update(external_id="99")


def disabled(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        Principal.objects.filter(id=it.people[0].id).update(disabled_at=datetime.now(UTC))


def demoted(it: Approved) -> None:
    with as_role("app"):
        demote(it.people[0])


def ended_role(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        RoleBinding.objects.filter(principal=it.people[0].id).update(expires_at=datetime.now(UTC))


def over(it: Approved) -> None:
    it.change(ApprovalRequest, execute_by=datetime.now(UTC) - timedelta(seconds=1))


def tightened(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3)


def with_an_owner(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Owner", effect="approval", approvers=2, factors=["owner"])


def refused(it: Approved) -> None:
    with as_role("app"), it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Never", effect="refuse", tool="halopsa_add_note")


def refused_to_the_role(it: Approved) -> None:
    """The one that the call's row says its caller had."""
    with as_role("app"), it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="No operators", effect="refuse", role="operator")


def not_approved(it: Approved) -> None:
    it.change(ApprovalRequest, state=State.PENDING, call_id=None)


DRIFT: dict[str, tuple[dict[str, Any], Callable[[Approved], None] | None]] = {
    "other arguments": ({"arguments": NOTE | {"note": "Deleted everything"}}, None),
    "another tool": ({"tool": "update_ticket", "arguments": {"ticket_id": 11003, "status_id": 2}}, None),
    "another caller": ({"principal_id": UUID(int=7)}, None),
    "the customer is another one at the vendor": ({}, mapping),
    "an approver was disabled": ({}, disabled),
    "an approver was demoted": ({}, demoted),
    "an approver's role has ended": ({}, ended_role),
    "the time is over": ({}, over),
    "the policy asks for more": ({}, tightened),
    "the policy asks for somebody else": ({}, with_an_owner),
    "a rule refuses it": ({}, refused),
    "a rule refuses its caller's role": ({"roles": ["operator"]}, refused_to_the_role),
    "it was never given to this call": ({}, not_approved),
}


@pytest.mark.parametrize("what", DRIFT)
def test_what_is_not_as_it_was_approved_is_denied_and_said(connected, vendor, what) -> None:
    approved = Approved(connected)
    given, change = DRIFT[what]
    call = approved.taken(**given)
    if change:
        change(approved)
    vendor.reset()

    assert approved.ran(call) == ("failed", "approval_void")

    assert vendor.seen()["total"] == 0
    assert events_of(connected, "connectors:credential:open") == []
    [(header, body)] = events_of(connected, EventKind.APPROVAL_VOIDED)
    assert header["result"] == "refused"
    assert body["because"]
    if what != "it was never given to this call":
        assert (approved.now().state, approved.now().code) == (State.FAILED, "approval_void")


def by_passkey(it: Approved, *, of: str = "", who: UUID | None = None, **changes: str) -> dict[str, Any]:
    challenge = challenge_of(of or it.request.digest, who or it.people[-1].id, b"s" * SALT_BYTES)
    return {"factor": "passkey", "proof": Authenticator().proof(challenge) | changes}


@pytest.mark.parametrize(
    ("vote", "outcome"),
    [
        (by_passkey, ("succeeded", "")),
        (lambda _: {"factor": "passkey"}, ("failed", "approval_void")),
        (lambda it: by_passkey(it, signature=by_passkey(it)["proof"]["signature"]), ("failed", "approval_void")),
        (lambda it: by_passkey(it, public_key=""), ("failed", "approval_void")),
        (lambda it: by_passkey(it, of="0" * 64), ("failed", "approval_void")),
        (lambda it: by_passkey(it, who=it.people[0].id), ("failed", "approval_void")),
        (lambda it: {"created_at": it.request.decide_by + timedelta(seconds=1)}, ("failed", "approval_void")),
        (lambda it: {"created_at": it.request.created_at - timedelta(seconds=1)}, ("failed", "approval_void")),
    ],
    ids=["signed", "no proof", "by another key", "no key", "another action", "another person", "too late", "too early"],
)
def test_the_broker_counts_a_vote_in_time_and_checks_what_a_passkey_has_signed(
    connected, vendor, vote, outcome
) -> None:
    approved = Approved(connected, voting=1)
    approved.plant(**vote(approved))

    assert approved.ran(approved.taken()) == outcome


def test_a_tool_that_is_declared_otherwise_by_now_is_not_what_was_approved(connected, vendor, monkeypatch) -> None:
    approved = Approved(connected)
    call = approved.taken()
    monkeypatch.setattr("approvals.granting.tool_digest_of", lambda *_: "0" * 64)
    vendor.reset()

    assert approved.ran(call) == ("failed", "approval_void")
    assert vendor.seen()["total"] == 0


def test_a_loosened_policy_does_not_make_a_void_approval_good(connected, vendor) -> None:
    approved = Approved(connected)
    call = approved.taken(arguments=NOTE | {"note": "x"})
    with as_role("app"), connected.tenant.acting():
        ToolRule.objects.create(position=1, name="Anything", effect="allow")

    assert approved.ran(call) == ("failed", "approval_void")


def test_a_call_that_the_vendor_refuses_has_used_its_approval(connected, vendor) -> None:
    approved = Approved(connected)
    call = approved.taken()
    vendor.behave("forbidden")

    state, _ = approved.ran(call)
    vendor.behave("honest")

    assert state in {"failed", "unknown"}
    assert approved.now().state in {State.FAILED, State.UNKNOWN}
    assert approved.ran(approved.taken()) == ("failed", "approval_void")


def test_a_broker_that_dies_after_the_claim_leaves_an_unknown_outcome_and_never_a_second_run(connected, vendor) -> None:
    approved = Approved(connected)
    call = approved.taken()
    vendor.reset()
    with acting_for(Context(connected.tenant.id, (connected.tenant.customers[0].id,))):
        assert claimed(call)  # and here it is killed
        run(call)
        run(call, again=True)

    assert approved.now().state == State.UNKNOWN
    assert vendor.seen()["total"] == 0
    assert approved.ran(approved.taken())[0] == "failed"
    assert vendor.seen()["total"] == 0


def test_a_message_that_is_lost_ends_the_request_without_a_run(connected, vendor) -> None:
    approved = Approved(connected)
    call = approved.taken()
    vendor.reset()
    with as_role("worker"), acting_for(Context(connected.tenant.id)):
        give_up_lost_calls(datetime.now(UTC) + timedelta(minutes=10))

    assert approved.now().state == State.FAILED
    assert approved.ran(call) == ("failed", "busy")
    assert vendor.seen()["total"] == 0
