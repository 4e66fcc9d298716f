"""Asking again finds the request that waits, however many ask at once; time ends it on the record."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from django.db import connection

from approvals.models import ApprovalRequest
from approvals.services import request_approval
from audit.kinds import EventKind
from audit.models import Event
from connectors.models import ToolCall
from tenants.ids import uuid7
from tests.factories import TenantWorld, make_tenant

WHO = uuid7()


def held(world: TenantWorld, digest: str = "d") -> ToolCall:
    """A call that was stopped at the approval gate."""
    return ToolCall(
        tenant_id=world.id,
        principal_id=WHO,
        principal_kind="service_account",
        principal_label="agent",
        customer=world.customers[0],
        connector="halopsa",
        tool="close_ticket",
        arguments={"id": 1},
        arguments_digest=digest,
        state=ToolCall.State.REFUSED,
    )


def test_many_at_once_find_one_request():
    acme = make_tenant()

    def ask(_: int) -> ApprovalRequest:
        try:
            with acme.acting():
                return request_approval(held(acme))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(8)))

    assert len({request.id for request in asked}) == 1
    with acme.acting():
        assert Event.objects.filter(kind=EventKind.APPROVAL_REQUESTED).count() == 1


def test_another_call_is_another_request():
    acme = make_tenant()
    with acme.acting():
        assert request_approval(held(acme, "a")).id != request_approval(held(acme, "b")).id


def test_an_expired_request_is_recorded_and_replaced():
    acme = make_tenant()
    with acme.acting():
        first = request_approval(held(acme))
        ApprovalRequest.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

        second = request_approval(held(acme))

        assert first.id != second.id
        assert ApprovalRequest.objects.get(id=first.id).state == ApprovalRequest.State.EXPIRED
        assert list(Event.objects.filter(kind=EventKind.APPROVAL_EXPIRED).values_list("subject_id", flat=True)) == [
            first.id
        ]
