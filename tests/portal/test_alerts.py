"""The alerts' rooms: the open ones first, acknowledged with a note, and how many wait, on every page."""

from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.actors import Actor, ActorKind, CallRef
from audit.kinds import EventKind
from audit.models import Alert
from audit.services import record
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_machine, make_person

AGENT = Actor(ActorKind.AGENT, UUID(int=7), "agent of bob")
LIST = reverse("portal:alerts")


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def alarm(world: TenantWorld, customer: int = 0, instance: int = 5) -> UUID:
    about = {"customer_id": world.customers[customer].pk, "call": CallRef(None, UUID(int=instance))}
    with world.acting():
        record(EventKind.CREDENTIAL_REFUSED, actor=AGENT, subject=("credential", None, "Halo"), **about)
        return Alert.objects.latest("id").pk


def test_open_alerts_are_shown_and_counted_on_every_page(alice: Person) -> None:
    alarm(alice.world)
    alarm(alice.world)
    alarm(alice.world, instance=6)

    page = alice.browser().get(LIST)

    assert sorted(row.count for row in page.context["page"].rows) == [1, 2]
    assert '<span class="nav-count">2<span class="unseen"> open</span></span>' in page.content.decode()
    assert "nav-count" in alice.browser().get(reverse("portal:customers")).content.decode()


def test_an_alert_is_acknowledged_with_a_note(alice: Person) -> None:
    key, browser = alarm(alice.world), alice.browser()
    url = reverse("portal:alert_acknowledge", args=[key])

    refused = browser.post(url, {"note": " "}, follow=True).content.decode()
    done = browser.post(url, {"note": "Rotated it"}, follow=True).content.decode()
    again = browser.post(url, {"note": "Rotated it"}, follow=True).content.decode()

    assert "Say what you found" in refused
    assert "The alert is acknowledged." in done
    assert "Rotated it" in done
    assert "acknowledged this alert already" in again
    assert browser.get(LIST).context["page"].rows == []
    assert [row.pk for row in browser.get(LIST, {"state": "acknowledged"}).context["page"].rows] == [key]
    assert [row.pk for row in browser.get(LIST, {"state": ""}).context["page"].rows] == [key]


def test_alerts_over_the_api(alice: Person) -> None:
    key, api = alarm(alice.world), make_machine(alice.world, Role.ADMIN).api()
    url = f"/api/v1/alerts/{key}/"

    assert [row["id"] for row in api.get("/api/v1/alerts/", {"state": "open"}).json()["results"]] == [str(key)]
    assert api.get(url).json()["count"] == 1
    assert api.post(f"{url}acknowledge/", {}, "application/json").status_code == 400
    done = api.post(f"{url}acknowledge/", {"note": "Seen"}, "application/json")
    assert (done.status_code, done.json()["state"], done.json()["note"]) == (200, "acknowledged", "Seen")
    assert api.post(f"{url}acknowledge/", {"note": "Seen"}, "application/json").status_code == 409
    assert api.get("/api/v1/alerts/", {"state": "open"}).json()["results"] == []


def test_staff_of_one_customer_see_its_alerts_alone_and_acknowledge_none(alice: Person) -> None:
    mine, other = alarm(alice.world), alarm(alice.world, customer=1)
    bob = make_person(alice.world, Role.OPERATOR, name="bob", customer=alice.world.customers[0])
    browser = bob.browser()

    assert [row.pk for row in browser.get(LIST).context["page"].rows] == [mine]
    assert browser.get(reverse("portal:alert", args=[other])).status_code == 404
    assert browser.post(reverse("portal:alert_acknowledge", args=[mine]), {"note": "x"}).status_code == 403


def test_the_list_costs_the_same_whatever_it_holds(alice: Person) -> None:
    browser, counts = alice.browser(), []
    for number in (1, 2, 20):
        for each in range(number):
            alarm(alice.world, customer=each % 3, instance=100 * number + each)
        with CaptureQueriesContext(connection) as queries:
            browser.get(LIST)
        counts.append(len(queries))

    assert counts == [counts[0]] * 3
    assert counts[0] <= 13
