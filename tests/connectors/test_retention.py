"""What calls asked for goes when the plan's days are over, and nothing can make it go before."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from audit.kinds import EventKind
from audit.models import Event
from connectors import retention
from connectors.arguments import call_digest
from connectors.models import ToolCall
from identity.roles import Role
from msplex.portal.views.calls import asked_nothing
from tenants.ids import uuid7_floor
from tenants.isolation.context import Context, acting_for
from tenants.models import Subscription
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_person
from tests.portal.factories import make_call
from tests.tenants.furnishing import as_administrator

NOW = datetime.now(UTC)
ASKED = {"ticket_id": 7, "note": "call Mr Meyer"}


def called(world: TenantWorld, days: int, **given: object) -> ToolCall:
    """So many days ago."""
    call = make_call(world, arguments=ASKED, **given)
    with as_administrator(), world.acting():
        ToolCall.objects.filter(id=call.pk).update(created_at=NOW - timedelta(days=days))
    return call


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> TenantWorld:
    """A plan that keeps 90 days. Ids are of now, as the calls were made now: the bound by id lets all through."""
    world = make_tenant()
    with world.acting():
        Subscription.objects.update(retention_days=90)
    monkeypatch.setattr(retention, "uuid7_floor", lambda _: uuid7_floor(NOW + timedelta(days=1)))
    return world


def forgotten(world: TenantWorld) -> int:
    with as_role("worker"), acting_for(Context(world.id)):
        return retention.forget_arguments(NOW)


def arguments(world: TenantWorld, call: ToolCall) -> object:
    with world.acting():
        return ToolCall.objects.get(id=call.pk).arguments


def test_what_is_older_goes_and_what_is_younger_stays(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    old, young = [called(acme, 91) for _ in range(3)], called(acme, 89)

    assert (forgotten(acme), forgotten(acme)) == (3, 0)
    assert [arguments(acme, call) for call in old] == [{}] * 3
    assert arguments(acme, young) == ASKED
    with acme.acting():
        assert ToolCall.objects.get(id=old[0].pk).tool == old[0].tool
        told = Event.objects.filter(kind=EventKind.ARGUMENTS_FORGOTTEN)
        assert sum(each.facts["calls"] for each in told) == 3


def test_what_has_not_ended_and_who_has_no_plan_keep_everything(acme: TenantWorld) -> None:
    waiting, other = called(acme, 91, state="queued"), make_tenant()
    of_other = called(other, 4000)

    assert (forgotten(acme), forgotten(other)) == (0, 0)
    assert arguments(acme, waiting) == arguments(other, of_other) == ASKED


def test_nobody_can_have_it_forget_what_is_younger_or_another_tenants(acme: TenantWorld) -> None:
    young, other = called(acme, 89), make_tenant()
    with other.acting():
        Subscription.objects.update(retention_days=35)
    of_other = called(other, 91)
    with as_role("worker"), acting_for(Context(acme.id)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT border.forget_arguments(%s, 1000)", [uuid7_floor(NOW + timedelta(days=1))])
        assert cursor.fetchone() == (0,)
    assert arguments(acme, young) == arguments(other, of_other) == ASKED
    for role in ("app", "broker"):
        with as_role(role), pytest.raises(DatabaseError, match="permission denied"), acme.acting():
            connection.cursor().execute("SELECT border.forget_arguments(%s, 1)", [uuid7_floor(NOW)])
    with as_role("worker"), pytest.raises(DatabaseError, match="permission denied"), acme.acting():
        connection.cursor().execute("UPDATE connectors_toolcall SET arguments = '{}'")


def test_a_call_that_asked_nothing_is_told_from_one_whose_arguments_are_kept_no_more(acme: TenantWorld) -> None:
    old = make_call(
        acme, tool="list_tickets", arguments={}, arguments_digest=call_digest("halopsa_list_tickets", ASKED)
    )
    nothing = make_call(
        acme, tool="list_tickets", arguments={}, arguments_digest=call_digest("halopsa_list_tickets", {})
    )
    alice = make_person(acme, Role.OWNER)

    told = [asked_nothing(old), asked_nothing(nothing)]
    assert told == [False, True]
    pages = [alice.browser().get(reverse("portal:call", args=[each.pk])).content.decode() for each in (old, nothing)]
    assert ["Not kept any more" in page for page in pages] == [True, False]
