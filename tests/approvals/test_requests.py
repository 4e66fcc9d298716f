"""Asking again finds the request that waits, however many ask at once; time ends it on the record."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from approvals.binding import digest_of, words_of
from approvals.errors import NotYours
from approvals.models import ApprovalRequest, Comment, ExecutionGrant, Vote
from approvals.policy import Effect, Ruling
from approvals.selectors import decided, requests_of, waiting_for
from approvals.services import CLOCK, comment, expire_late_requests, request_approval, withdraw
from approvals.voting import reject
from audit.kinds import EventKind
from audit.models import Event
from connectors.models import CustomerMapping
from identity.roles import Role
from identity.selectors import acting_principal
from tenants.errors import Conflict, NotFound
from tests.approvals.asking import Desk, approve
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import acting_as, make_member

LATER, EARLIER = timedelta(days=2), timedelta(seconds=-1)


def test_many_at_once_find_one_request():
    desk = Desk(make_tenant())

    def ask(_: int) -> ApprovalRequest:
        try:
            return desk.asked()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(8)))

    assert len({request.id for request in asked}) == 1
    with desk.world.acting():
        assert Event.objects.filter(kind=EventKind.APPROVAL_REQUESTED).count() == 1


@pytest.mark.parametrize("other", [{"arguments": {"ticket_id": 2}}, {"tool": "delete_ticket"}])
def test_another_call_is_another_request(other):
    desk = Desk(make_tenant())

    first, second = desk.asked(), desk.asked(**other)

    assert first.id != second.id
    assert first.digest != second.digest


def test_numbers_that_the_database_writes_another_way_are_the_same_call():
    desk = Desk(make_tenant())

    assert desk.asked(arguments={"hours": 2.0}).id == desk.asked(arguments={"hours": 2}).id
    assert desk.asked(arguments={"hours": 2.5}).id != desk.asked(arguments={"hours": 2}).id


def test_the_digest_is_over_everything_that_the_call_would_do():
    desk = Desk(make_tenant())
    request = desk.asked()

    def digest(**changed) -> str:
        sent = {name: changed.pop(name, getattr(request, name)) for name in ("arguments", "external_id", "tool_digest")}
        for name, value in changed.items():
            setattr(request, name, value)
        return digest_of(request, **sent)

    kept = {name: getattr(request, name) for name in ("tool", "customer_id", "instance_id", "need", "nonce")}
    found = {digest()}
    for changed in (
        {"arguments": {"ticket_id": 2}}, {"external_id": "12"}, {"tool_digest": "0" * 64}, {"tool": "other"},
        {"customer_id": request.pk}, {"instance_id": request.pk}, {"need": 1}, {"nonce": "0" * 32},
        {"factors": ["owner"]}, {"policy_version": "2"}, {"requester_id": request.pk}, {"decide_by": datetime.now(UTC)},
    ):  # fmt: skip
        found.add(digest(**changed))
        for name, value in kept.items():
            setattr(request, name, value)

    assert len(found) == 13
    assert len(words_of(request.digest).split()) == 6


def test_a_request_that_nobody_decided_expires_and_is_replaced():
    desk = Desk(make_tenant())
    first = desk.asked()

    with desk.world.acting():
        assert expire_late_requests(datetime.now(UTC) + LATER) == 1
    second = desk.asked()

    assert first.id != second.id
    assert desk.now(first).state == ApprovalRequest.State.EXPIRED
    with desk.world.acting():
        assert list(Event.objects.filter(kind=EventKind.APPROVAL_EXPIRED).values_list("subject_id", flat=True)) == [
            first.id
        ]


def test_asking_again_after_its_time_ends_the_old_request_itself(monkeypatch):
    desk = Desk(make_tenant())
    monkeypatch.setattr("approvals.services.DECIDE_WITHIN", EARLIER)
    first = desk.asked()

    assert desk.asked().id != first.id
    assert desk.now(first).state == ApprovalRequest.State.EXPIRED


def test_an_approved_request_that_nobody_runs_expires_too():
    desk = Desk(make_tenant(), need=1)
    request = desk.asked()
    assert approve(make_member(desk.world, Role.ADMIN), request)

    with desk.world.acting():
        assert expire_late_requests(datetime.now(UTC) + timedelta(minutes=14)) == 0
        assert expire_late_requests(datetime.now(UTC) + timedelta(minutes=16)) == 1
    assert desk.now(request).state == ApprovalRequest.State.EXPIRED


def test_what_was_asked_for_cannot_be_changed_by_any_role_and_votes_by_none():
    desk = Desk(make_tenant(), need=1)
    request = desk.asked()
    assert approve(make_member(desk.world, Role.ADMIN), request)

    for change in (
        lambda: ApprovalRequest.objects.update(arguments={"ticket_id": 9}),
        lambda: ApprovalRequest.objects.update(digest="0" * 64),
        lambda: ApprovalRequest.objects.update(need=9),
        lambda: ApprovalRequest.objects.all().delete(),
        lambda: Vote.objects.update(decision="approve"),
        lambda: Vote.objects.all().delete(),
        lambda: Comment.objects.update(text="x"),
        lambda: ExecutionGrant.objects.create(
            request=request, customer_id=request.customer_id, call_id=request.pk, nonce=request.nonce, digest="",
            payload="", signature=b"", issued_at=datetime.now(UTC),
        ),
    ):  # fmt: skip
        for role in ("app", "worker"):
            with as_role(role), pytest.raises(DatabaseError, match="permission denied"), desk.world.acting():
                change()


def test_only_who_asked_or_answers_for_it_can_withdraw_and_then_it_is_over():
    desk = Desk(make_tenant())
    request = desk.asked()
    owner, other = desk.machine.account.owner_id, make_member(desk.world, Role.ADMIN)
    with desk.world.acting(), pytest.raises(NotYours):
        withdraw(request, principal=acting_principal(other.id), by=other.actor)

    with desk.world.acting():
        withdraw(request, principal=acting_principal(owner), by=acting_principal(owner).actor())

    assert desk.now(request).state == ApprovalRequest.State.WITHDRAWN
    with pytest.raises(Conflict):
        approve(other, request)


def test_a_rejection_says_why_ends_it_and_stands_for_a_while():
    desk = Desk(make_tenant())
    request, bob = desk.asked(), make_member(desk.world, Role.OPERATOR, name="bob")
    with acting_as(bob):
        reject(request, principal=acting_principal(bob.id), reason="Not on a Friday", by=bob.actor)

    again = desk.asked()

    assert again.id == request.id
    assert again.state == ApprovalRequest.State.REJECTED
    assert "Not on a Friday" in again.because
    with desk.world.acting():
        ApprovalRequest.objects.update(ended_at=datetime.now(UTC) - timedelta(hours=2))
    assert desk.asked().id != request.id


def test_a_rejection_needs_a_reason():
    desk = Desk(make_tenant())
    request, bob = desk.asked(), make_member(desk.world, Role.OPERATOR, name="bob")

    with pytest.raises(Exception, match="why"), acting_as(bob):
        reject(request, principal=acting_principal(bob.id), reason="  ", by=bob.actor)


def test_comments_are_kept_and_recorded():
    desk = Desk(make_tenant())
    request, bob = desk.asked(), make_member(desk.world, Role.OPERATOR, name="bob")

    with acting_as(bob):
        comment(request, " Which host? ", by=bob.actor)

    with desk.world.acting():
        assert Comment.objects.get().text == "Which host?"
        assert Event.objects.filter(kind=EventKind.APPROVAL_COMMENTED, actor_id=bob.id).exists()


def test_the_lists_show_each_person_what_is_theirs():
    desk = Desk(make_tenant())
    request = desk.asked()
    bob = make_member(desk.world, Role.OPERATOR, name="bob")
    elsewhere = make_member(desk.world, Role.OPERATOR, name="eve", customer=desk.world.customers[1])

    with acting_as(bob):
        assert list(waiting_for(acting_principal(bob.id))) == [request]
    with acting_as(elsewhere):
        assert not waiting_for(acting_principal(elsewhere.id)).exists()
        with pytest.raises(NotFound):
            reject(request, principal=acting_principal(elsewhere.id), reason="x", by=elsewhere.actor)
    approve(bob, request)
    with desk.world.acting():
        owner = acting_principal(desk.machine.account.owner_id)
        assert list(requests_of(owner)) == [request]
        assert not waiting_for(owner).exists()
        assert not waiting_for(acting_principal(bob.id)).exists()
        assert not decided().exists()


def test_what_an_agent_asked_for_is_for_that_agent_alone_and_a_persons_for_each_of_theirs():
    desk = Desk(make_tenant())
    alice = make_member(desk.world, Role.ADMIN)
    hers = {"principal_id": alice.id, "principal_kind": "agent"}
    one, two = alice.user.pk, desk.machine.id

    first = desk.asked(**hers, agent_session_id=one)
    assert desk.asked(**hers, agent_session_id=two).id != first.id
    for_all = desk.asked(**hers | {"principal_kind": "user"}, arguments={"ticket_id": 5})
    assert desk.asked(**hers, agent_session_id=two, arguments={"ticket_id": 5}).id == for_all.id


def test_another_tenants_request_is_not_found():
    desk, other = Desk(make_tenant()), Desk(make_tenant("other"))
    request = desk.asked()
    mallory = make_member(other.world, Role.OWNER)

    with pytest.raises(NotFound):
        approve(mallory, request)


def test_the_policy_in_force_when_it_was_asked_is_part_of_it():
    desk = Desk(make_tenant(), need=3, factors=("owner",))
    request = desk.asked()

    assert (request.need, request.factors) == (3, ["owner"])
    assert request.policy_rule == desk.said.rule.id
    with desk.world.acting(), transaction.atomic():
        assert CustomerMapping.objects.get().external_id == request.external_id
        assert request_approval(desk.held(arguments={"ticket_id": 7}), Ruling(Effect.APPROVAL, 1)).policy_rule is None
    assert CLOCK.label
