"""Several customers in one decision: the exact set is what people agree to; each is run once, by a call of its own."""

import dataclasses
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.urls import reverse

from approvals import services, voting
from approvals.batches import MOST_CUSTOMERS, request_for_each
from approvals.binding import batch_digest, digest_of, shown_digest, words_of
from approvals.errors import NotADecider, OtherDigest
from approvals.models import ApprovalRequest, ToolRule, Vote
from approvals.policy import Effect, Ruling
from approvals.selectors import waiting_for
from approvals.services import withdraw
from approvals.voting import approve_with_code, approve_with_passkey, begin_passkey, reject
from audit.kinds import EventKind
from connectors.models import CustomerMapping, ToolCall
from identity.roles import Role
from identity.selectors import acting_principal
from msplex.execution import run
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import passkey_of
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld, events_of, let_through
from tests.identity.factories import Person, acting_as, make_machine, make_member

pytestmark = pytest.mark.usefixtures("broker")
State = ApprovalRequest.State
CLIENTS = (11, 12, 13)


class Together:
    """An agent wants a note on a ticket of each of three customers; two people have to agree, once for all."""

    def __init__(self, world: ConnectedWorld) -> None:
        self.world = world
        with as_role("app"):
            self.machine = make_machine(world.tenant, Role.OPERATOR)
            self.anna, self.bob = (make_member(world.tenant, Role.ADMIN, name=name) for name in ("anna", "bob"))
            with world.tenant.acting():
                calls = [self.call(place) for place in range(3)]
                self.requests = request_for_each(calls, Ruling(Effect.APPROVAL, 2), reason="The same everywhere")

    def call(self, place: int, **given: Any) -> ToolCall:
        values = {
            "tenant_id": self.world.tenant.id, "principal_id": self.machine.id, "principal_kind": "service_account",
            "principal_label": "agent", "customer": self.world.tenant.customers[place],
            "instance": self.world.instance, "connector": "halopsa", "tool": "add_note",
            "arguments": {"ticket_id": CLIENTS[place] * 1000 + 3, "note": "Patched"}, "state": ToolCall.State.QUEUED,
        }  # fmt: skip
        return ToolCall(**values | given)

    def agree(self, *people: Person, place: int = 0) -> None:
        for person in people or (self.anna, self.bob):
            with as_role("app"):
                assert self.vote(person, shown_digest(self.requests[place]), place)

    def vote(self, person: Person, digest: str, place: int = 0) -> bool:
        with acting_as(person):
            principal, code = acting_principal(person.id), person.code()
            return approve_with_code(
                self.requests[place], principal=principal, code=code, digest=digest, by=person.actor
            )

    def ran(self, place: int, **given: Any) -> tuple[str, str]:
        """As the gateway leaves it behind for the broker."""
        request = self.requests[place]
        with as_role("app"), self.world.tenant.acting():
            call = self.call(place, approval_id=request.pk, **given)
            let_through(call, self.world.instance)
            ApprovalRequest.objects.filter(id=request.pk).update(state=State.EXECUTING, call_id=call.pk, ended_at=None)
        with acting_for(Context(self.world.tenant.id, (call.customer_id,))):
            run(call.pk)
        with as_role("app"), self.world.tenant.acting():
            now = ToolCall.objects.get(id=call.pk)
        return now.state, now.code

    def states(self) -> list[str]:
        with as_role("app"), self.world.tenant.acting():
            found = {row.pk: row.state for row in ApprovalRequest.objects.all()}
        return [found[each.pk] for each in self.requests]


@pytest.fixture
def together(connected) -> Together:
    return Together(connected)


def notes(vendor: Any) -> list[int]:
    return [each["body"][0]["ticket_id"] for each in vendor.seen()["changes"] if each["path"] == "/api/Actions"]


def test_all_of_them_are_bound_to_one_digest_over_the_exact_set(together) -> None:
    digests = {batch_digest(each) for each in together.requests}

    assert len(digests) == 1
    assert len({each.digest for each in together.requests}) == 3
    [digest] = digests
    first = together.requests[0]
    for changed in (
        {"customers": first.batch["customers"][:2]},
        {"customers": [*first.batch["customers"][:2], ["x", "y", "z"]]},
    ):
        other = ApprovalRequest.objects.model(
            **{f.attname: getattr(first, f.attname) for f in first._meta.concrete_fields}
        )
        other.batch = changed
        assert batch_digest(other) != digest
    told = [body for _, body in events_of(together.world, EventKind.APPROVAL_REQUESTED)]
    assert [each["batch"] for each in told] == [{"count": 3, "digest": digest}] * 3
    assert {each["words"] for each in told} == {words_of(digest)}
    other_customers = [str(each.pk) for each in together.world.tenant.customers]
    assert not any(name in str(told[0]) for name in other_customers)  # of others nothing, in what goes to one


def test_one_vote_each_is_for_all_and_each_runs_once_with_its_own_records(together, vendor) -> None:
    together.agree(together.anna)
    assert together.states() == ["pending"] * 3
    together.agree(together.bob, place=2)
    assert together.states() == ["approved"] * 3
    vendor.reset()

    assert [together.ran(place) for place in range(3)] == [("succeeded", "")] * 3

    assert notes(vendor) == [11003, 12003, 13003]
    assert together.states() == ["executed"] * 3
    quorums = events_of(together.world, EventKind.APPROVAL_QUORUM)
    assert [header["customer"] for header, _ in quorums] == [str(each.customer_id) for each in together.requests]
    assert all(len(body["votes"]) == 2 for _, body in quorums)
    assert len(events_of(together.world, EventKind.CALL_FINISHED)) == 3
    assert together.ran(0) == ("failed", "approval_void")  # a second time


def test_one_that_has_drifted_is_denied_and_the_others_are_done_and_that_is_said_of_each(together, vendor) -> None:
    together.agree()
    with as_role("app"), together.world.tenant.acting():
        CustomerMapping.objects.filter(customer=together.world.tenant.customers[1]).update(external_id="99")
    vendor.reset()

    assert [together.ran(place)[0] for place in range(3)] == ["succeeded", "failed", "succeeded"]
    assert together.states() == ["executed", "failed", "executed"]
    assert notes(vendor) == [11003, 13003]
    with as_role("app"):
        page = together.anna.browser().get(reverse("portal:approval", args=[together.requests[0].pk])).content.decode()
    for told in (
        "exactly these 3 customers",
        "Executed",
        "Failed",
        *(each.name for each in together.world.tenant.customers),
    ):
        assert told in page


def test_who_may_not_decide_for_one_of_them_decides_for_none(together) -> None:
    with as_role("app"):
        only = make_member(together.world.tenant, Role.CUSTOMER_MANAGER, customer=together.world.tenant.customers[0])
        with pytest.raises((NotADecider, Conflict)):
            together.vote(only, shown_digest(together.requests[0]))
    with as_role("app"), together.world.tenant.acting():
        assert not Vote.objects.exists()


def test_the_digest_of_one_is_not_what_is_voted_on(together) -> None:
    with as_role("app"), pytest.raises(OtherDigest):
        together.vote(together.anna, together.requests[0].digest)


def test_a_passkey_signs_the_set(together, vendor) -> None:
    together.agree(together.anna)
    with as_role("app"):
        sign(together.bob, together.requests[1])

    assert together.states() == ["approved"] * 3
    assert [together.ran(place)[0] for place in range(3)] == ["succeeded"] * 3


def test_a_rejection_and_a_withdrawal_are_for_all_that_have_not_run(together, connected) -> None:
    together.agree()
    together.ran(0)
    with as_role("app"):
        carl = make_member(together.world.tenant, Role.ADMIN, name="carl")
        with acting_as(carl):
            reject(together.requests[1], principal=acting_principal(carl.id), reason="Not tonight", by=carl.actor)

    assert together.states() == ["executed", "rejected", "rejected"]
    other = Together(connected)
    with as_role("app"):
        owner = other.machine.account.owner
        with other.world.tenant.acting():
            withdraw(other.requests[0], principal=acting_principal(owner.pk), by=other.anna.actor)
    assert other.states() == ["withdrawn"] * 3


def test_two_who_vote_at_the_same_moment_on_different_pages_do_not_wait_for_each_other(together, monkeypatch) -> None:
    """Each has opened another one of them; the rows are locked in one order all the same."""
    begun, trouble = threading.Barrier(2), []
    real = services.locked

    def locked(request_id: UUID) -> ApprovalRequest:
        found = real(request_id)
        with suppress(threading.BrokenBarrierError):
            begun.wait(1)  # the other one has locked its own by now, if that is what comes first
        return found

    def vote(person: Person, place: int) -> None:
        try:
            with as_role("app"):
                assert together.vote(person, shown_digest(together.requests[place]), place)
        except Exception as error:  # noqa: BLE001 -- said by the test
            trouble.append(error)

    monkeypatch.setattr(services, "locked", locked)
    monkeypatch.setattr(voting, "locked", locked, raising=False)
    threads = [
        threading.Thread(target=vote, args=(person, place)) for person, place in ((together.anna, 0), (together.bob, 2))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert trouble == []
    assert together.states() == ["approved"] * 3


def test_a_rule_for_one_of_them_holds_all_up(together) -> None:
    with as_role("app"), together.world.tenant.acting():
        customer = together.world.tenant.customers[2]
        ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3, customer=customer)

    together.agree()

    assert together.states() == ["pending"] * 3


def test_they_wait_as_one(together) -> None:
    with as_role("app"), acting_as(together.anna):
        assert [each.pk for each in waiting_for(acting_principal(together.anna.id))] == [together.requests[0].pk]


def planted(together: Together, place: int, **given: Any) -> ApprovalRequest:
    """With the web's own rights, as injected SQL would: another request under the same set."""
    first = together.requests[place]
    values = {f.attname: getattr(first, f.attname) for f in first._meta.concrete_fields}
    return ApprovalRequest(**values | {"id": uuid7(), "nonce": uuid7().hex, "fingerprint": "0" * 64} | given)


def test_nothing_can_be_added_to_the_set(together, vendor) -> None:
    together.agree()
    with as_role("app"), together.world.tenant.acting(), pytest.raises(IntegrityError):
        planted(together, 0).save(force_insert=True)
    now = datetime.now(UTC)
    approved = {"state": State.APPROVED, "approved_at": now, "execute_by": now + timedelta(minutes=9)}
    with as_role("app"), together.world.tenant.acting():
        ApprovalRequest.objects.filter(id=together.requests[0].pk).update(**approved)
    vendor.reset()

    assert together.ran(0, arguments={"ticket_id": 11004, "note": "Patched"}) == ("failed", "approval_void")
    assert notes(vendor) == []


def test_what_a_passkey_has_signed_for_a_set_is_good_for_nobody_who_is_not_in_it(connected, vendor) -> None:
    """With the web's own rights a request for a third customer is planted, and the signature under it."""
    it = Together.__new__(Together)
    it.world = connected
    with as_role("app"):
        it.machine, it.bob = make_machine(connected.tenant, Role.OPERATOR), make_member(connected.tenant, Role.ADMIN)
        with connected.tenant.acting():
            calls = [it.call(place) for place in range(2)]
            it.requests = request_for_each(calls, Ruling(Effect.APPROVAL, 1), reason="Two of them")
        sign(it.bob, it.requests[0])
    third = planted(it, 0, customer_id=connected.tenant.customers[2].pk, external_id="13")
    third.arguments = it.call(2).arguments
    third.preview = third.preview | {"reads": [{"ticket_id": 13003}]}
    third.digest = digest_of(third, arguments=third.arguments, external_id="13", tool_digest=third.tool_digest)
    now = datetime.now(UTC)
    third.approved_at, third.execute_by = now, now + timedelta(minutes=9)
    with as_role("app"), connected.tenant.acting():
        vote = Vote.objects.get(request=it.requests[0])
        third.save(force_insert=True)
        vote.pk, vote.request, vote.customer_id, vote.digest = uuid7(), third, third.customer_id, third.digest
        vote.save(force_insert=True)
    it.requests.append(third)
    vendor.reset()

    assert it.ran(2) == ("failed", "approval_void")
    assert notes(vendor) == []
    [(_, body)] = events_of(connected, EventKind.APPROVAL_VOIDED)
    assert "not in the set" in body["because"]


def sign(person: Person, request: ApprovalRequest) -> None:
    device, session = passkey_of(person)
    with acting_as(person):
        principal = dataclasses.replace(acting_principal(person.id), session_id=session)
        asked = begin_passkey(request, principal=principal)
        answer = device.sign(asked.options)
        assert approve_with_passkey(request, principal=principal, state=asked.state, answer=answer, by=person.actor)


@pytest.mark.parametrize("number", [0, 1, MOST_CUSTOMERS + 1])
def test_it_is_for_two_customers_or_more_and_for_so_many_at_most(together, number) -> None:
    with as_role("app"), together.world.tenant.acting(), pytest.raises(Invalid):
        request_for_each([together.call(0)] * number, Ruling(Effect.APPROVAL, 1), reason="x")


def test_what_waits_already_is_not_asked_for_twice(together) -> None:
    calls = [together.call(place) for place in range(2)]
    with as_role("app"), together.world.tenant.acting(), pytest.raises(Conflict) as error:
        request_for_each(calls, Ruling(Effect.APPROVAL, 1), reason="x")
    assert together.world.tenant.customers[0].name in error.value.message


QUORUM = "/api/v1/emergency/quorum"


def asked_over_the_api(world: ConnectedWorld, person: Person, **given: Any) -> Any:
    names = [each.key for each in world.tenant.customers]
    body = {
        "tool": "halopsa_add_note", "customers": names, "arguments": {"note": "Patched"}, "reason": "Everywhere",
        "arguments_of": {name: {"ticket_id": client * 1000 + 3} for name, client in zip(names, CLIENTS, strict=True)},
    } | given  # fmt: skip
    return person.browser().post(QUORUM, body, content_type="application/json")


def test_it_is_asked_for_over_the_api_with_each_customers_own_object(connected) -> None:
    with as_role("app"):
        alice = make_member(connected.tenant, Role.ADMIN)
        answer = asked_over_the_api(connected, alice)
        assert answer.status_code == 201, answer.content
        told = alice.browser().get(f"/api/v1/approval-requests/{answer.json()['id']}/").json()

    assert [each["customer_name"] for each in told["together"]] == sorted(c.name for c in connected.tenant.customers)
    assert told["batch"] == told["id"]
    assert told["words"] == words_of(told["shown_digest"])
    with as_role("app"), connected.tenant.acting():
        rows = list(ApprovalRequest.objects.order_by("id"))
    assert [row.arguments["ticket_id"] for row in rows] == [11003, 12003, 13003]
    assert {UUID(told["batch"])} == {row.batch_id for row in rows}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"customers": ["nobody", "noone"], "arguments_of": {}}, "customers"),
        ({"arguments_of": {"stranger": {}}}, "arguments_of"),
        ({"arguments_of": {}}, "arguments"),
    ],
)
def test_what_is_wrong_with_it_names_its_field(connected, given, field) -> None:
    with as_role("app"):
        answer = asked_over_the_api(connected, make_member(connected.tenant, Role.ADMIN), **given)

    assert answer.status_code == 400
    assert field in str(answer.json())
    with as_role("app"), connected.tenant.acting():
        assert not ApprovalRequest.objects.exists()


def test_a_page_asks_for_several(connected) -> None:
    first, second, _ = connected.tenant.customers
    with as_role("app"):
        browser = make_member(connected.tenant, Role.ADMIN).browser()
        given = {
            "tool": "halopsa_create_ticket", "customer": str(first.pk), "others": [str(second.pk)], "reason": "Both",
            "arguments": '{"summary": "Patch night", "details": "At ten."}',
        }  # fmt: skip
        answer = browser.post(reverse("portal:approval_new"), given)
        page = browser.get(answer.headers["Location"]).content.decode()

    assert "exactly these 2 customers" in page
    assert first.name in page
    assert second.name in page
