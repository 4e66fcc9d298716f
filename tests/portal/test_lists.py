"""Lists cost the same whatever they hold, can be narrowed, and are paged."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.models import Notification, Recipient
from billing.models import ExportFile
from connectors.keyring import Purpose
from connectors.models import ConnectorInstance, Credential, Signal
from connectors.registry import keys
from connectors.services import start_instance
from identity.models import Passkey
from identity.roles import Role
from identity.services import create_customer, invite
from msplex.decision.verdicts import Gate
from msplex.portal import paging
from tenants.ids import uuid7
from tenants.models import Asset
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_person
from tests.portal.factories import make_call, make_refusal, make_request
from tests.portal.hosts import make_grant, make_host_agent
from tests.tenants.furnishing import as_administrator


def _asset(world: TenantWorld, _: Person, number: int) -> None:
    with world.acting():
        Asset.objects.create(customer=world.customers[0], name=f"host {number}")


def _customer(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        create_customer(name=f"Client {number}", key=f"client-{number}", by=SETUP)


def _instance(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        start_instance("halopsa", name=f"Halo {number}", by=SETUP)


def _credential(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        instance = start_instance("halopsa", name=f"Halo {number}", by=SETUP)
        Credential.objects.create(instance=instance, version=1, digest="", created_by="alice")


def _signal(world: TenantWorld, owner: Person, number: int) -> None:
    with as_administrator(), world.acting():
        instance = ConnectorInstance.objects.first() or ConnectorInstance.objects.create(
            connector="halopsa", slug="halo", name="Halo"
        )
        Signal.objects.create(
            instance=instance, customer=world.customers[0], kind="alert", external_id=str(number), owner="11",
            title=f"Disk {number}", seen_at=timezone.now(),
        )  # fmt: skip


def _session(world: TenantWorld, owner: Person, number: int) -> None:
    owner.browser()


def _passkey(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        Passkey.objects.create(user=owner.user, name=f"Key {number}", credential_id=bytes([number]))


def _invitation(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        invite(email=f"guest{number}@x.example", role=Role.VIEWER, by=SETUP)


def _notification(world: TenantWorld, owner: Person, number: int) -> None:
    with as_administrator(), world.acting():
        now = timezone.now()
        made = Notification.objects.create(
            kind="quota_warning", severity="warning", key=f"tests:{number}", shared=True, place="alert", title="Quota",
            text="Running out", event_id=uuid7(), first_at=now, last_at=now, customer=world.customers[0],
        )  # fmt: skip
        Recipient.objects.create(notification=made, person_id=owner.id)


def _file(world: TenantWorld, owner: Person, number: int) -> None:
    with world.acting():
        ExportFile.objects.create(what="calls", month=date(2026, 4 + number, 1), format="csv", ordered_by="tests")


ROWS: dict[str, Callable[[TenantWorld, Person, int], object]] = {
    "dashboard": lambda world, _, number: make_call(world) if number % 2 else make_refusal(world),
    "calls": lambda world, _, number: make_call(world, principal_label=f"agent {number}"),
    "approvals": lambda world, _, number: make_request(world, arguments={"number": number}),
    "grants": lambda world, _, number: make_grant(world, f"SRV-{number}"),
    "host_agents": lambda world, _, number: make_host_agent(world, f"SRV-{number}"),
    "customers": _customer,
    "billing_limits": _customer,
    "billing_assets": _asset,
    "billing_files": _file,
    "notifications": _notification,
    "signals": _signal,
    "connectors": _instance,
    "connector_credentials": _credential,
    "people": lambda world, _, number: make_person(world, Role.VIEWER, name=f"bob{number}"),
    "people_invitations": _invitation,
    "service_accounts": lambda world, owner, _: make_machine(world, owner=owner),
    "account_sessions": _session,
    "sign_in_methods": _passkey,
}
QUERIES = {
    "dashboard": 13,
    "calls": 9,
    "customers": 9,
    "billing_limits": 9,
    "billing_assets": 10,
    "billing_files": 8,
    "signals": 10,
    "connectors": 10,
    "connector_credentials": 13,
    "people": 11,
    "people_invitations": 9,
    "service_accounts": 10,
    "account_sessions": 9,
    "sign_in_methods": 11,
    "approvals": 9,
    "notifications": 9,
    "grants": 9,
    "host_agents": 9,
}


@pytest.mark.parametrize("room", ROWS)
def test_list_costs_the_same_for_one_row_and_three(room: str) -> None:
    world = make_tenant(customers=1)
    owner = make_person(world, Role.OWNER)
    browser, url = owner.browser(), reverse(f"portal:{room}")
    counts = []
    for number in range(3):
        ROWS[room](world, owner, number)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(url).status_code == 200
        counts.append(len(queries))

    assert counts == [QUERIES[room] + _in_an_emergency(room)] * 3


def _in_an_emergency(room: str) -> int:
    """The keys are the installation's: another test may have said that one of them has leaked."""
    return int(room == "connector_credentials" and any(key.deadline for key in keys(Purpose.STORAGE)))


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def test_calls_are_narrowed_by_gate(alice: Person) -> None:
    passed, refused = make_call(alice.world), make_refusal(alice.world, Gate.CHECK_QUOTA, "quota_exhausted")

    page = alice.browser().get(reverse("portal:calls"), {"gate": "check_quota"}).content.decode()

    assert str(refused.pk) in page
    assert str(passed.pk) not in page


def test_a_narrowing_without_a_field_says_so_and_can_be_lifted(alice: Person) -> None:
    call = make_call(alice.world)
    browser, url = alice.browser(), reverse("portal:calls")

    assert "One caller" not in browser.get(url).content.decode()
    narrowed = browser.get(url, {"principal": str(call.principal_id)}).content.decode()

    assert "One caller only" in narrowed
    assert str(call.pk) in narrowed


def test_calls_are_narrowed_by_customer_and_caller(alice: Person) -> None:
    first, second = alice.world.customers[:2]
    mine = make_call(alice.world, customer=first, principal_label="triage")
    other = make_call(alice.world, customer=second, principal_label="reports")

    by_customer = alice.browser().get(reverse("portal:calls"), {"customer": first.pk}).content.decode()
    by_caller = alice.browser().get(reverse("portal:calls"), {"caller": "REPORT"}).content.decode()

    assert str(mine.pk) in by_customer
    assert str(other.pk) not in by_customer
    assert str(other.pk) in by_caller
    assert str(mine.pk) not in by_caller


def test_calls_say_when_no_call_fits(alice: Person) -> None:
    make_call(alice.world)

    page = alice.browser().get(reverse("portal:calls"), {"tool": "nothing"}).content.decode()

    assert "No call fits these filters" in page


def test_calls_are_paged_by_id_both_ways(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_ROWS", 2)
    made = [str(make_call(alice.world).pk) for _ in range(5)]
    browser, url = alice.browser(), reverse("portal:calls")

    newest = browser.get(url).context["page"]
    middle = browser.get(f"{url}?{newest.older}").context["page"]
    oldest = browser.get(f"{url}?{middle.older}").context["page"]
    back = browser.get(f"{url}?{oldest.newer}").context["page"]

    shown = [[str(row.pk) for row in page.rows] for page in (newest, middle, oldest)]
    assert shown == [made[4:2:-1], made[2:0:-1], made[:1]]
    assert (newest.newer, oldest.older) == ("", "")
    assert back.rows == middle.rows


def test_people_are_found_and_narrowed(alice: Person) -> None:
    bob = make_person(alice.world, Role.VIEWER, name="bob")

    found = alice.browser().get(reverse("portal:people"), {"q": "BOB"}).content.decode()
    disabled = alice.browser().get(reverse("portal:people"), {"status": "disabled"}).content.decode()

    assert bob.user.email in found
    assert "No person fits these filters" in disabled


def test_customers_are_paged(alice: Person) -> None:
    with alice.world.acting():
        for number in range(30):
            create_customer(name=f"Client {number:02}", key=f"client-{number}", by=SETUP)

    second = alice.browser().get(reverse("portal:customers"), {"page": 2}).content.decode()

    assert "26 to 33 of 33" in second


@pytest.mark.parametrize(
    ("room", "query"),
    [("calls", {"customer": str(UUID(int=7))}), ("calls", {"state": "done"}), ("customers", {"status": "gone"})],
)
def test_a_narrowing_that_cannot_be_meant_shows_nothing_and_says_so(
    alice: Person, room: str, query: dict[str, str]
) -> None:
    call = make_call(alice.world)

    page = alice.browser().get(reverse(f"portal:{room}"), query).content.decode()

    assert "Select a valid choice" in page
    assert "these filters" in page
    assert str(call.pk) not in page


@pytest.mark.parametrize("query", ["page=0", "page=x", "sort=nothing", "before=x&after=y", "customer=x", "state=x"])
def test_list_survives_a_strange_query(alice: Person, query: str) -> None:
    make_call(alice.world)

    for room in ("calls", "customers", "people"):
        assert alice.browser().get(f"{reverse(f'portal:{room}')}?{query}").status_code == 200
