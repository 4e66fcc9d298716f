"""A grant that is held in advance: asked for like a call, approved by the same people, issued by the broker alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.utils import ProgrammingError

from approvals.binding import digest_of, exact_text
from approvals.held.agents import add_agent, enrol, renew_code, revoke_agent
from approvals.held.issuing import TYPE, bound_of
from approvals.held.models import HeldGrant, HostAgent
from approvals.held.services import expire_late_grants, revoke_grant, take_up_again
from approvals.models import ApprovalRequest, ToolRule
from audit.kinds import EventKind
from connectors.compact import encoded, kid_of, opened
from connectors.models import CustomerMapping
from connectors.signing import believed
from identity.roles import Role
from identity.selectors import acting_principal
from tenants.errors import Conflict, Invalid, NotAllowed
from tests.approvals.asking import approve, demote
from tests.approvals.holding import NOTE, TOOL, Held
from tests.approvals.test_execution import Approved
from tests.conftest import as_role
from tests.connectors.factories import events_of
from tests.identity.factories import make_member

pytestmark = pytest.mark.usefixtures("broker")
State = ApprovalRequest.State
KEY = bytes(range(32))


@pytest.fixture
def held(connected) -> Held:
    it = Held(connected)
    with as_role("app"):
        assert enrol(it.code, encoded(KEY), address="")
    return it


def test_the_broker_signs_what_people_have_approved_and_the_digest_covers_the_terms(held) -> None:
    grant = held.issued(uses=2, critical_alert=True)

    claims = opened(grant.token, TYPE, believed())
    assert claims
    assert claims["arguments"] == exact_text(NOTE)
    assert (claims["tool"], claims["uses"], claims["agent_key"]) == (TOOL, 2, kid_of(KEY))
    assert claims["condition"] == {"critical_alert": True, "heartbeat_lost_minutes": 5}
    assert claims["bound"] == bound_of(claims)
    request = held.request(grant.request)
    assert (request.state, request.digest) == (State.EXECUTED, claims["digest"])
    [(header, body)] = events_of(held.world, EventKind.APPROVAL_GRANTED)
    assert body["grant"] == grant.token
    assert header["subject"]["id"] == str(request.pk)


@pytest.mark.parametrize(
    "changed",
    [
        {"uses": 3},
        {"critical_alert": True},
        {"heartbeat_lost_minutes": 6},
        {"not_after": datetime(2030, 1, 1, tzinfo=UTC)},
    ],
)
def test_other_terms_are_another_request_with_other_words(held, changed) -> None:
    first, second = held.asked(), held.asked(**changed)

    assert first.pk != second.pk
    assert first.digest != second.digest
    assert digest(first) == first.digest
    first.terms = second.terms
    assert digest(first) != first.digest  # nor is it its nonce alone that makes it another one


def digest(request: ApprovalRequest) -> str:
    given = {"arguments": request.arguments, "external_id": request.external_id, "tool_digest": request.tool_digest}
    return digest_of(request, **given)


def test_the_same_terms_find_the_request_that_is_open(held) -> None:
    terms = held.terms().as_json()

    assert held.asked_with(terms).pk == held.asked_with(terms).pk


def test_a_call_cannot_take_what_was_asked_for_a_grant_nor_a_grant_what_was_asked_for_a_call(held, vendor) -> None:
    request = held.approved()
    other = Approved(held.world)
    vendor.reset()
    with as_role("app"), held.world.tenant.acting():
        call = other.call(
            approval_id=request.pk, principal_id=held.alice.id, principal_kind="user", arguments=NOTE
        )  # fmt: skip
        call.save(force_insert=True)
        ApprovalRequest.objects.filter(id=request.pk).update(state=State.EXECUTING, call_id=call.pk)

    assert other.ran(call.pk) == ("failed", "approval_void")
    assert vendor.seen()["total"] == 0
    assert held.issue(other.request) is None


def test_it_is_issued_once(held) -> None:
    request = held.approved()

    assert held.issue(request)
    assert held.issue(request) is None
    with as_role("app"), held.world.tenant.acting():
        assert HeldGrant.objects.count() == 1


def over(it: Held, request: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        ApprovalRequest.objects.filter(id=request.pk).update(execute_by=datetime.now(UTC) - timedelta(seconds=1))


def revoked(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        revoke_agent(it.agent, by=it.alice.actor)


def other_key(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        HostAgent.objects.filter(id=it.agent.pk).update(kid="x" * 43)


def demoted(it: Held, _: ApprovalRequest) -> None:
    demote(it.people[0])


def refused(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Never", effect="refuse", tool=TOOL)


def tightened(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3)


def mapped(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        CustomerMapping.objects.filter(customer=it.customer).update(external_id="99")


def inactive_asset(it: Held, _: ApprovalRequest) -> None:
    with it.world.tenant.acting():
        type(it.agent.asset).objects.filter(id=it.agent.asset_id).update(active=False)


@pytest.mark.parametrize(
    "change",
    [over, revoked, other_key, demoted, refused, tightened, mapped, inactive_asset],
    ids=lambda one: one.__name__,
)
def test_what_is_not_as_it_was_approved_is_not_issued_and_that_is_said(held, change) -> None:
    request = held.approved()
    with as_role("app"):
        change(held, request)

    assert held.issue(request) is None

    assert (held.request(request).state, held.request(request).code) == (State.FAILED, "approval_void")
    [(_, body)] = events_of(held.world, EventKind.APPROVAL_VOIDED)
    assert body["because"]
    with as_role("app"), held.world.tenant.acting():
        assert not HeldGrant.objects.exists()


def test_nothing_is_issued_without_a_quorum(held) -> None:
    request = held.asked()
    with as_role("app"):
        assert approve(held.people[0], request)

    assert held.issue(request) is None
    with as_role("app"), held.world.tenant.acting():
        ApprovalRequest.objects.filter(id=request.pk).update(
            state=State.APPROVED, approved_at=datetime.now(UTC), execute_by=datetime.now(UTC) + timedelta(minutes=9)
        )
    assert held.issue(request) is None
    assert held.request(request).state == State.FAILED


def test_the_web_can_neither_add_a_grant_nor_change_what_it_says(held) -> None:
    grant = held.issued()

    with as_role("app"), held.world.tenant.acting():
        for change in ({"token": "x"}, {"uses": 9}, {"not_after": datetime.now(UTC)}, {"used": 0}):
            with pytest.raises(ProgrammingError):
                _in_a_savepoint(lambda change=change: HeldGrant.objects.filter(id=grant.pk).update(**change))


def _in_a_savepoint(work: Any) -> None:
    from django.db import transaction  # noqa: PLC0415

    with transaction.atomic():
        work()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"not_after": datetime(2026, 1, 1, tzinfo=UTC)}, "not_after"),
        ({"not_after": datetime(2031, 1, 1, tzinfo=UTC)}, "not_after"),
        ({"heartbeat_lost_minutes": None}, "heartbeat_lost_minutes"),
        ({"heartbeat_lost_minutes": 99_999}, "heartbeat_lost_minutes"),
        ({"uses": 0}, "uses"),
        ({"uses": 11}, "uses"),
    ],
)
def test_terms_that_make_no_sense_name_their_field(held, changed, field) -> None:
    with pytest.raises(Invalid) as error:
        held.terms(**changed).check(datetime.now(UTC))

    assert error.value.field == field


def test_a_code_enrols_once_and_a_new_one_takes_the_place_of_the_old(connected) -> None:
    it = Held(connected)
    with as_role("app"):
        with connected.tenant.acting():
            code = renew_code(it.agent, by=it.alice.actor)

        assert enrol(it.code, encoded(KEY), address="") is None
        assert enrol(code + "x", encoded(KEY), address="") is None
        assert enrol(f"{code.partition('.')[0]}.", encoded(KEY), address="") is None
        assert enrol("mspx_h_0.x", encoded(KEY), address="") is None
        with pytest.raises(Invalid):
            enrol(code, "short", address="")
        assert enrol(code, encoded(KEY), address="")
        assert enrol(code, encoded(KEY), address="") is None
        with connected.tenant.acting(), pytest.raises(Conflict):
            renew_code(it.agent, by=it.alice.actor)


def test_a_code_ends_after_a_day(connected) -> None:
    it = Held(connected)
    with as_role("app"):
        with connected.tenant.acting():
            HostAgent.objects.update(code_expires_at=datetime.now(UTC) - timedelta(seconds=1))

        assert enrol(it.code, encoded(KEY), address="") is None


def test_an_asset_has_one_host_agent_until_that_one_is_revoked(held) -> None:
    with as_role("app"):
        with held.world.tenant.acting(), pytest.raises(Conflict):
            add_agent(held.customer, name="SRV-DC01", by=held.alice.actor)
        with held.world.tenant.acting():
            revoke_agent(held.agent, by=held.alice.actor)
        with held.world.tenant.acting():
            assert add_agent(held.customer, name="SRV-DC01", by=held.alice.actor)[0].asset_id == held.agent.asset_id


def test_revoking_is_for_who_asked_or_decides_and_happens_once(held) -> None:
    grant = held.issued()
    with as_role("app"):
        viewer = make_member(held.world.tenant, Role.VIEWER, name="v")
        with held.world.tenant.acting():
            for person, error in ((viewer, NotAllowed), (held.people[0], None), (held.people[1], Conflict)):
                given = {"principal": acting_principal(person.id), "reason": "Not needed", "by": person.actor}
                if error:
                    with pytest.raises(error):
                        revoke_grant(grant, **given)
                else:
                    revoke_grant(grant, **given)

    assert held.grant(grant).state == "revoked"
    assert len(events_of(held.world, EventKind.GRANT_REVOKED)) == 1


def test_revoking_an_agent_revokes_what_it_holds(held) -> None:
    grant = held.issued()
    with as_role("app"), held.world.tenant.acting():
        revoke_agent(held.agent, by=held.alice.actor)

    assert held.grant(grant).state == "revoked"


def test_the_end_of_a_window_is_an_event(held) -> None:
    grant = held.issued()
    with as_role("worker"), held.world.tenant.acting():
        assert expire_late_grants() == 0
        assert expire_late_grants(datetime.now(UTC) + timedelta(days=3)) == 1
        assert expire_late_grants(datetime.now(UTC) + timedelta(days=3)) == 0

    assert held.grant(grant).state == "expired"
    [(_, body)] = events_of(held.world, EventKind.GRANT_EXPIRED)
    assert (body["used"], body["uses"]) == (0, 1)


def test_what_the_broker_was_not_told_is_taken_up_again(held, monkeypatch) -> None:
    request, told = held.approved(), []
    monkeypatch.setattr("approvals.held.services.issue_grant.delay", told.append)
    with as_role("worker"), held.world.tenant.acting():
        take_up_again(datetime.now(UTC))
    assert told == []
    with as_role("app"), held.world.tenant.acting():
        ApprovalRequest.objects.filter(id=request.pk).update(approved_at=datetime.now(UTC) - timedelta(minutes=1))

    with as_role("worker"), held.world.tenant.acting():
        take_up_again(datetime.now(UTC))

    assert told == [str(request.pk)]
