"""A vote is one person's, with their own second factor, over exactly this; it counts as long as they may vote."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from approvals.errors import DeviceUsed, NotADecider, NotOpen, OtherDigest, OwnRequest, VotedAlready
from approvals.models import ApprovalRequest, ToolRule, Vote
from approvals.selectors import ruling_of, still_missing, voters_of
from approvals.voting import approve_with_passkey, begin_passkey
from audit.kinds import EventKind
from audit.models import Event
from identity.models import Principal
from identity.roles import Role
from identity.selectors import acting_principal
from tests.approvals.asking import Desk, approve, demote, passkey_of, share_app
from tests.connectors.factories import bodies
from tests.factories import make_tenant
from tests.identity.factories import Person, acting_as, make_machine, make_member

State = ApprovalRequest.State


@pytest.fixture
def desk() -> Desk:
    return Desk(make_tenant())


def people(desk: Desk, number: int, role: Role = Role.ADMIN) -> list[Person]:
    return [make_member(desk.world, role, name=f"person{each}") for each in range(number)]


def test_two_people_make_a_quorum_and_it_is_on_the_record(desk):
    request, (alice, bob) = desk.asked(), people(desk, 2)

    assert approve(alice, request)
    assert desk.now(request).state == State.PENDING
    assert approve(bob, request)

    found = desk.now(request)
    assert found.state == State.APPROVED
    assert (found.execute_by - found.approved_at).total_seconds() == 15 * 60
    [proof] = bodies(desk.world, EventKind.APPROVAL_QUORUM)
    assert proof["event_type"] == "emergency_quorum_approved"
    assert (proof["nonce"], proof["digest"]) == (request.nonce, request.digest)
    assert proof["policy"] == {"rule": str(request.policy_rule), "version": request.policy_version}
    assert proof["quorum"] == {"need": 2, "factors": []}
    assert [vote["approver"] for vote in proof["votes"]] == [str(alice.id), str(bob.id)]
    assert {vote["factor"] for vote in proof["votes"]} == {"totp"}
    assert all(vote["roles"] == ["admin"] for vote in proof["votes"])


def test_nobody_votes_twice(desk):
    request, (alice,) = desk.asked(), people(desk, 1)
    assert approve(alice, request)

    with pytest.raises(VotedAlready):
        approve(alice, request)


def test_twenty_votes_of_one_person_at_once_are_one(desk):
    request, (alice,) = desk.asked(), people(desk, 1)

    def vote(_: int) -> str:
        try:
            return str(approve(alice, request))
        except VotedAlready:
            return "again"

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(vote, range(20)))

    assert answers.count("True") == 1
    with desk.world.acting():
        assert Vote.objects.count() == 1
    assert desk.now(request).state == State.PENDING


def test_one_code_is_one_vote_on_one_request(desk):
    first, second = desk.asked(), desk.asked(arguments={"ticket_id": 2})
    (alice,) = people(desk, 1)
    code = alice.code()
    assert approve(alice, first, code=code)

    assert not approve(alice, second, code=code)
    with desk.world.acting():
        assert Vote.objects.count() == 1
        assert Event.objects.filter(kind=EventKind.APPROVAL_VOTE_REFUSED).count() == 1


def test_a_wrong_code_and_a_recovery_code_are_no_votes(desk):
    request, (alice,) = desk.asked(), people(desk, 1)

    assert not approve(alice, request, code="000000")
    assert not approve(alice, request, code=alice.recovery_codes[0])
    with desk.world.acting():
        assert not Vote.objects.exists()


def test_who_asked_does_not_vote_nor_the_person_behind_an_agent_or_an_account(desk):
    owner = make_member(desk.world, Role.OWNER, name="owner")
    machine = make_machine(desk.world, owner=owner)
    by_account = desk.asked(principal_id=machine.id)
    by_agent = desk.asked(principal_id=owner.id, principal_kind="agent", agent_session_id=machine.id)
    by_person = desk.asked(principal_id=owner.id, principal_kind="user", arguments={"ticket_id": 3})

    for request in (by_account, by_agent, by_person):
        with pytest.raises(OwnRequest):
            approve(owner, request)


def test_the_database_itself_holds_one_vote_each_and_none_of_the_requester(desk):
    request, (alice, bob) = desk.asked(), people(desk, 2)
    approve(alice, request)

    def planted(**given: Any) -> None:
        with desk.world.acting():
            values = {
                "request": request, "customer_id": request.customer_id, "requester_id": request.requester_id,
                "answerable_id": request.answerable_id, "digest": request.digest, "approver_id": bob.id,
                "approver_label": "x", "decision": "approve", "factor": "totp", "factor_ref": "0" * 64,
                "created_at": datetime.now(UTC),
            }  # fmt: skip
            Vote.objects.create(**values | given)

    with desk.world.acting():
        device = Vote.objects.get().factor_ref
    for wrong in (
        {"approver_id": alice.id}, {"approver_id": request.answerable_id}, {"factor_ref": device},
        {"approver_id": request.answerable_id, "answerable_id": bob.id}, {"digest": "0" * 64}, {"factor": ""},
        {"approver_id": request.pk},
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            planted(**wrong)
    planted()


def test_two_accounts_with_one_authenticator_are_one_person(desk):
    request, (alice, twin) = desk.asked(), people(desk, 2)
    share_app(alice, twin)
    assert approve(alice, request)

    with pytest.raises(DeviceUsed):
        approve(twin, request)
    assert desk.now(request).state == State.PENDING


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_it_takes_the_permission_for_that_customer(desk, role):
    request = desk.asked()
    eve = make_member(desk.world, role, name="eve")

    with pytest.raises(NotADecider):
        approve(eve, request)


def test_an_operator_of_the_customer_votes_and_sees_the_others_count(desk):
    request, (alice,) = desk.asked(), people(desk, 1)
    bob = make_member(desk.world, Role.OPERATOR, name="bob", customer=desk.world.customers[0])

    approve(alice, request)
    approve(bob, request)

    assert desk.now(request).state == State.APPROVED


def test_automation_never_votes_whatever_its_role(desk):
    request = desk.asked()
    robot = make_machine(desk.world, Role.ADMIN)
    with desk.world.acting():
        principal = acting_principal(robot.id)
        with pytest.raises(NotADecider):
            begin_passkey(request, principal=principal)


def test_who_was_demoted_or_disabled_after_voting_does_not_count(desk):
    request, (alice, bob, carol) = desk.asked(), people(desk, 3)
    approve(alice, request)
    demote(alice)
    approve(bob, request)
    assert desk.now(request).state == State.PENDING

    approve(carol, request)
    found = desk.now(request)
    assert found.state == State.APPROVED
    with desk.world.acting():
        Principal.objects.filter(id=carol.id).update(disabled_at=datetime.now(UTC))
        assert still_missing(found, ruling_of(found), voters_of(found)).people == 1


def test_each_required_role_is_held_by_another_person():
    desk = Desk(make_tenant(), need=2, factors=("owner", "operator"))
    request, (alice, bob) = desk.asked(), people(desk, 2, Role.OPERATOR)
    owner = make_member(desk.world, Role.OWNER, name="boss")

    approve(alice, request)
    approve(bob, request)
    assert desk.now(request).state == State.PENDING
    approve(owner, request)

    assert desk.now(request).state == State.APPROVED


def test_a_policy_that_was_tightened_meanwhile_holds_for_open_requests_and_a_loosened_one_does_not(desk):
    request, (alice, bob, carol) = desk.asked(), people(desk, 3)
    with desk.world.acting():
        rule = ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3)
    approve(alice, request)
    approve(bob, request)
    assert desk.now(request).state == State.PENDING

    with desk.world.acting():
        ToolRule.objects.filter(id=rule.pk).update(approvers=0, effect="allow")
    assert desk.now(request).state == State.PENDING
    approve(carol, request)
    assert desk.now(request).state == State.APPROVED


def test_a_policy_that_refuses_by_now_ends_the_request(desk):
    request, (alice,) = desk.asked(), people(desk, 1)
    with desk.world.acting():
        ToolRule.objects.create(position=1, name="Never", effect="refuse")

    approve(alice, request)

    found = desk.now(request)
    assert (found.state, found.code) == (State.FAILED, "approval_void")
    [event] = bodies(desk.world, EventKind.APPROVAL_VOIDED)
    assert "refuses" in event["because"]


def test_a_vote_is_over_what_the_person_was_shown_and_in_time(desk, monkeypatch):
    request, (alice,) = desk.asked(), people(desk, 1)

    with pytest.raises(OtherDigest):
        approve(alice, request, digest="0" * 64)
    with monkeypatch.context() as patched:
        patched.setattr("approvals.services.DECIDE_WITHIN", timedelta(seconds=-1))
        late = desk.asked(arguments={"ticket_id": 9})
    with pytest.raises(NotOpen):
        approve(alice, late)


def test_a_passkey_signs_the_action_and_the_person_and_nothing_else(desk):
    first, second = desk.asked(), desk.asked(arguments={"ticket_id": 2})
    (alice,) = people(desk, 1)
    device, session = passkey_of(alice)

    def vote(about: ApprovalRequest, on: ApprovalRequest) -> bool:
        with acting_as(alice):
            principal = dataclasses.replace(acting_principal(alice.id), session_id=session)
            asked = begin_passkey(about, principal=principal)
            answer = device.sign(asked.options)
            return approve_with_passkey(on, principal=principal, state=asked.state, answer=answer, by=alice.actor)

    assert not vote(second, first)
    assert vote(first, first)
    with desk.world.acting():
        cast = Vote.objects.get()
    assert (cast.request_id, cast.factor) == (first.pk, "passkey")
    assert set(cast.proof) == {"authenticator_data", "client_data", "public_key", "signature"}
