"""The notification centre: one's own, acknowledged by oneself or for all, put off, and gone with the customer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from approvals.models import Notification, Recipient
from approvals.notifications.declared import Place
from approvals.notifications.links import path_of, url_of
from audit.kinds import EventKind
from audit.selectors import events
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_machine, make_person
from tests.tenants.furnishing import as_administrator


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


def made(world: TenantWorld, *people: Person, **given: Any) -> list[Recipient]:
    now = datetime.now(UTC)
    values = {
        "kind": "approval_needed", "severity": "warning", "key": f"tests:{uuid4()}", "shared": False,
        "title": "Your approval is asked for", "text": "halopsa_update_ticket", "place": "approval",
        "place_id": uuid4(), "event_id": uuid4(), "first_at": now, "last_at": now, "customer": world.customers[0],
    }  # fmt: skip
    with as_administrator(), world.acting():
        notification = Notification.objects.create(**values | given)
        return [Recipient.objects.create(notification=notification, person_id=each.id) for each in people]


def acknowledge(person: Person, row: Recipient) -> int:
    return person.browser().post(reverse("portal:notification_acknowledge", args=[row.pk])).status_code


def waiting(person: Person) -> int:
    browser = person.browser()
    number: int = browser.get("/api/v1/notifications/waiting/").json()["waiting"]
    page = browser.get(reverse("portal:notifications")).content.decode()
    assert page.count('class="told-row"') == number
    return number


def test_each_sees_their_own_and_nobody_elses(world: TenantWorld) -> None:
    anna, bob = make_person(world, Role.ADMIN, name="anna"), make_person(world, Role.OWNER, name="bob")
    (row,) = made(world, anna)

    assert (waiting(anna), waiting(bob)) == (1, 0)
    assert acknowledge(bob, row) == 404
    assert bob.browser().get(f"/api/v1/notifications/{row.pk}/").status_code == 404


def test_acknowledging_what_each_has_to_see_to_is_for_oneself(world: TenantWorld) -> None:
    anna, bob = make_person(world, Role.ADMIN, name="anna"), make_person(world, Role.ADMIN, name="bob")
    row, _ = made(world, anna, bob)

    assert acknowledge(anna, row) == 302

    assert (waiting(anna), waiting(bob)) == (0, 1)
    with world.acting():
        assert Notification.objects.get().state == "open"
        event = events().filter(kind=EventKind.NOTIFICATION_ACKNOWLEDGED).get()
    assert event.subject_id == row.notification_id


def test_what_is_shared_is_taken_by_the_first_and_says_by_whom(world: TenantWorld) -> None:
    anna, bob = make_person(world, Role.ADMIN, name="anna"), make_person(world, Role.ADMIN, name="bob")
    row, other = made(world, anna, bob, shared=True, place="alert", customer=None)

    acknowledge(anna, row)

    assert (waiting(anna), waiting(bob)) == (0, 0)
    page = bob.browser().get(reverse("portal:notifications"), {"show": "done"}).content.decode()
    assert f"seen to by {anna.user.email}" in page
    again = bob.browser().post(f"/api/v1/notifications/{other.pk}/acknowledge/", {}, "application/json")
    assert (again.status_code, again.json()["code"]) == (409, "notification_over")


def test_what_is_put_off_comes_back_by_itself_and_for_the_others_it_never_went(world: TenantWorld) -> None:
    anna, bob = make_person(world, Role.ADMIN, name="anna"), make_person(world, Role.ADMIN, name="bob")
    row, _ = made(world, anna, bob)
    browser = anna.browser()

    answer = browser.post(reverse("portal:notification_snooze", args=[row.pk]), {"how_long": "4h"})

    assert answer.status_code == 302
    assert (waiting(anna), waiting(bob)) == (0, 1)
    put_off = browser.get(reverse("portal:notifications"), {"show": "snoozed"}).content.decode()
    assert "put off until" in put_off
    with as_administrator(), world.acting():
        Recipient.objects.filter(id=row.pk).update(snoozed_until=datetime.now(UTC) - timedelta(seconds=1))
    assert waiting(anna) == 1


def test_a_time_that_is_none_is_refused_with_its_field(world: TenantWorld) -> None:
    anna = make_person(world, Role.ADMIN)
    (row,) = made(world, anna)

    answer = anna.browser().post(f"/api/v1/notifications/{row.pk}/snooze/", {"how_long": "1y"}, "application/json")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["how_long"]


def test_with_the_customer_goes_what_was_told_of_it(world: TenantWorld) -> None:
    """By the database: the person's own row is there, and what it is about is not."""
    first, second = world.customers[:2]
    near = make_person(world, Role.OPERATOR, name="near", customer=first)
    seen, hidden = made(world, near)[0], made(world, near, customer=second)[0]

    assert waiting(near) == 1
    assert near.browser().get(f"/api/v1/notifications/{seen.pk}/").status_code == 200
    assert near.browser().get(f"/api/v1/notifications/{hidden.pk}/").status_code == 404
    assert acknowledge(near, hidden) == 404


def test_the_list_is_narrowed_by_severity_and_customer(world: TenantWorld) -> None:
    anna, (first, second, _) = make_person(world, Role.ADMIN), world.customers
    made(world, anna, severity="critical", title="The first thing")
    made(world, anna, customer=second, title="The second thing")

    def titles(**query: object) -> set[str]:
        rows = anna.browser().get("/api/v1/notifications/", query).json()["results"]
        page = anna.browser().get(reverse("portal:notifications"), query).content.decode()
        found = {row["title"] for row in rows}
        assert all(title in page for title in found)
        return found

    assert titles() == {"The first thing", "The second thing"}
    assert titles(severity="critical") == {"The first thing"}
    assert titles(customer=second.pk) == {"The second thing"}
    assert titles(customer=first.pk, severity="warning") == set()


def test_the_bell_has_the_number_and_costs_one_query_more(world: TenantWorld) -> None:
    anna = make_person(world, Role.ADMIN)
    browser, url = anna.browser(), reverse("portal:notification_bell")
    counts = []
    for number in range(3):
        made(world, anna)
        with CaptureQueriesContext(connection) as queries:
            page = browser.get(url, headers={"X-Unattended": "yes"}).content.decode()
        counts.append(len([query for query in queries if "approvals_recipient" in query["sql"]]))
        assert f">{number + 1}<" in page
        assert page.count('href="/notifications/"') == 2

    assert counts == [1, 1, 1]


def test_automation_has_no_notifications(world: TenantWorld) -> None:
    anna = make_person(world, Role.ADMIN)
    made(world, anna)

    answer = make_machine(world, Role.ADMIN).api().get("/api/v1/notifications/")

    assert answer.json()["results"] == []


@pytest.mark.parametrize(("place", "name", "plural"), [
    (Place.APPROVAL, "portal:approval", "portal:approvals"), (Place.ALERT, "portal:alert", "portal:alerts"),
])  # fmt: skip
def test_links_lead_to_pages_that_ask_who_it_is(client, place: Place, name: str, plural: str, settings) -> None:
    about = Notification(place=place.value, place_id=uuid4(), tenant_id=uuid4())
    without = Notification(place=place.value, tenant_id=uuid4())

    assert (resolve(path_of(about)).view_name, resolve(path_of(without)).view_name) == (name, plural)
    assert url_of(about) == f"{settings.PUBLIC_URL}{path_of(about)}"
    answer = client.get(path_of(about))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("portal:sign_in"))
