"""A customer's own credential in the portal and its twin: entered once, never shown again, and seen for what it is."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors import catalogue
from connectors.contract import OwnCredentials
from connectors.health import Checkup, examine
from connectors.models import ConnectorInstance, Credential, CustomerMapping, OwnCredential
from connectors.own_credentials import record_own_health, store_own_credential
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from identity.roles import Role
from tenants.models import Entitlement
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_person

KEY = "canary-own-key-61c0f5d2"
FINE, REFUSED = Checkup("", "Fine."), Checkup("vendor_unauthorized", "x", permanent=True)


@pytest.fixture
def alice() -> Person:
    """Of a tenant with a connection to Hudu, on which all customers are mapped."""
    alice = make_person(make_tenant(), Role.ADMIN)
    with alice.world.acting():
        Entitlement.objects.create(connector="hudu", included_calls=10, calls_per_minute=10)
        hudu = start_instance("hudu", by=SETUP)
        settings, secret = {"base_url": "https://acme.huducloud.com"}, {"api_key": "of-the-connection-00"}
        hudu = configure_instance(hudu, settings=settings, secret=secret, by=SETUP)
        activate_instance(record_health(hudu, FINE), by=SETUP)
        for number, customer in enumerate(alice.world.customers):
            map_customer(hudu, customer=customer, external_id=str(11 + number), by=SETUP)
    return alice


def hudu(person: Person) -> ConnectorInstance:
    with person.world.acting():
        return ConnectorInstance.objects.get()


def mapping(person: Person, number: int = 0) -> CustomerMapping:
    with person.world.acting():
        return CustomerMapping.objects.get(customer=person.world.customers[number])


def room(person: Person, name: str = "connector_own", number: int = 0) -> str:
    return reverse(f"portal:{name}", args=[hudu(person).pk, mapping(person, number).pk])


def clients(person: Person) -> str:
    return reverse("portal:connector_clients", args=[hudu(person).pk]) + "?show=mapped"


def enter(person: Person, number: int = 0, key: str = KEY, **more: Any) -> Any:
    return person.browser().post(room(person, number=number), {"api_key": key, **more}, follow=True)


def seen(person: Person, checkup: Checkup, number: int = 0) -> None:
    with person.world.acting():
        own = OwnCredential.objects.select_related("instance").get(customer=person.world.customers[number])
        record_own_health(own, checkup)


def text(person: Person, url: str) -> str:
    return person.browser().get(url).content.decode()


def test_it_is_entered_once_and_never_shown_again(alice: Person) -> None:
    answer = enter(alice, expires_on=(timezone.now() + timedelta(days=90)).date().isoformat())

    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "being checked" in shown
    seen(alice, FINE)
    everything = shown + text(alice, room(alice)) + text(alice, clients(alice))
    everything += text(alice, reverse("portal:connector_credentials"))
    assert KEY not in everything
    with alice.world.acting():
        credential = Credential.objects.get(customer__isnull=False)
    assert credential.fingerprint in everything
    assert f"own key of {alice.world.customers[0].name}" in everything


def test_a_short_one_and_none_are_said_beside_the_field(alice: Person) -> None:
    for key in ("", "short"):
        answer = enter(alice, key=key)
        assert answer.status_code == 422
        assert answer.context["form"].errors.keys() == {"api_key"}
    with alice.world.acting():
        assert not OwnCredential.objects.exists()


def test_each_mapped_client_shows_with_whose_key_it_is_reached(alice: Person) -> None:
    enter(alice, 0)
    enter(alice, 1)
    seen(alice, FINE, 0)
    seen(alice, REFUSED, 1)

    page = alice.browser().get(clients(alice))

    assert [standing.way.value for _, standing in page.context["mapped_rows"]] == ["own", "own", "shared"]
    shown = page.content.decode()
    assert ("Own key: refused" in shown, "Shared key" in shown, "Not reachable" in shown) == (True, True, False)


def test_who_has_none_is_not_reachable_once_a_person_wants_only_those(alice: Person) -> None:
    enter(alice, 0)
    seen(alice, FINE)
    switch = reverse("portal:connector_own_only", args=[hudu(alice).pk])

    alice.browser().post(switch, {"only": "on"})

    page = alice.browser().get(clients(alice))
    assert [standing.way.value for _, standing in page.context["mapped_rows"]] == ["own", "none", "none"]
    assert "own_credential_required" in page.content.decode()
    assert "Not reachable" in text(alice, room(alice, number=1))

    alice.browser().post(switch, {})
    assert hudu(alice).own_credentials_only is False


def test_its_page_says_what_the_last_check_has_said(alice: Person) -> None:
    enter(alice)
    seen(alice, REFUSED)

    shown = text(alice, room(alice))

    assert "The vendor did not accept the configured credential." in shown
    assert "the connection's key is not used instead" in shown


def test_removing_it_is_a_button_and_needs_a_second_factor(alice: Person) -> None:
    enter(alice)
    browser = alice.browser()
    alice.confirmed(ago=timedelta(hours=3))
    assert browser.post(room(alice, "connector_own_remove")).url.startswith(reverse("portal:step_up"))
    with alice.world.acting():
        assert OwnCredential.objects.exists()

    alice.browser().post(room(alice, "connector_own_remove"))

    with alice.world.acting():
        assert not OwnCredential.objects.exists()


def test_a_key_that_waits_for_a_second_factor_is_not_kept(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=timedelta(hours=3))

    answer = browser.post(room(alice), {"api_key": KEY}, follow=True)

    assert KEY not in answer.content.decode()
    with alice.world.acting():
        assert not Credential.objects.filter(customer__isnull=False).exists()


def test_a_vendor_without_fences_has_no_form_for_one(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    as_of(monkeypatch, OwnCredentials.NONE)

    shown = text(alice, room(alice))

    assert "gives out no credentials that reach one client only" in shown
    assert "api_key" not in shown
    assert "Shared key" not in text(alice, clients(alice))


def test_the_list_costs_the_same_for_one_own_key_and_three(alice: Person) -> None:
    browser, counts = alice.browser(), []
    for number in range(3):
        with alice.world.acting():
            store_own_credential(mapping(alice, number), secret={"api_key": f"{KEY}-{number}"}, by=SETUP)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(clients(alice)).status_code == 200
        counts.append(len(queries))

    assert len(set(counts)) == 1


# Over the API -----------------------------------------------------------------------------------------------------


def api(person: Person, number: int = 0) -> str:
    return f"/api/v1/connector-instances/{hudu(person).pk}/mappings/{mapping(person, number).pk}/credential/"


def listed(person: Person) -> list[dict[str, Any]]:
    answer = person.browser().get(f"/api/v1/connector-instances/{hudu(person).pk}/mappings/")
    return [each["credential"] for each in answer.json()]


def test_over_the_api_it_is_entered_checked_and_removed(alice: Person) -> None:
    browser = alice.browser()

    made = browser.post(api(alice), {"secret": {"api_key": KEY}, "expires_on": "2099-01-31"}, "application/json")
    checked = browser.post(f"{api(alice)}check/")

    assert (made.status_code, checked.status_code) == (201, 202)
    assert KEY not in made.content.decode()
    assert {"way": "own", "state": "checking", "version": 1, "expires_on": "2099-01-31"}.items() <= made.json()[
        "credential"
    ].items()
    seen(alice, FINE)
    assert [(each["way"], each["state"]) for each in listed(alice)] == [
        ("own", "in_order"), ("shared", None), ("shared", None),
    ]  # fmt: skip
    [kept] = [each for each in browser.get("/api/v1/credentials/").json()["results"] if each["customer"]]
    assert (kept["customer"], kept["kept"]) == (str(alice.world.customers[0].pk), "unused")
    assert browser.delete(api(alice)).status_code == 204
    assert [each["way"] for each in listed(alice)] == ["shared"] * 3
    assert (browser.delete(api(alice)).status_code, browser.delete(api(alice)).json()["code"]) == (
        409, "no_own_credential",
    )  # fmt: skip


def test_over_the_api_only_their_own_can_be_wanted(alice: Person) -> None:
    url = f"/api/v1/connector-instances/{hudu(alice).pk}/"

    assert alice.browser().post(f"{url}own-credentials-only/", {"only": True}, "application/json").status_code == 204

    assert alice.browser().get(url).json()["own_credentials_only"] is True
    assert [each["way"] for each in listed(alice)] == ["none"] * 3
    assert alice.browser().get("/api/v1/connectors/hudu/").json()["own_credentials"] == "optional"


# A connector whose vendor has a credential per client, and none for all, such as one tenant each of a cloud's -----


def as_of(monkeypatch: pytest.MonkeyPatch, kind: OwnCredentials) -> None:
    import dataclasses  # noqa: PLC0415

    entry = dataclasses.replace(catalogue.connector("hudu"), own_credentials=kind)
    monkeypatch.setitem(catalogue._CONNECTORS, "hudu", entry)


def test_a_connection_without_a_credential_for_all_has_settings_alone(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of(monkeypatch, OwnCredentials.ONLY)
    with alice.world.acting():
        other = start_instance("hudu", by=SETUP)
    url = reverse("portal:connector_instance", args=[other.pk])
    form = alice.browser().get(url).context["form"]
    assert "api_key" not in form.fields

    alice.browser().post(
        reverse("portal:connector_configure", args=[other.pk]), {"base_url": "https://x.huducloud.com"}
    )

    with alice.world.acting():
        other.refresh_from_db()
        assert other.configured_at is not None
        assert not Credential.objects.filter(instance=other).exists()
        assert examine(other).ok  # there is nothing of its own that could be wrong
        mapped = map_customer(other, customer=alice.world.customers[0], external_id="11", by=SETUP)
        store_own_credential(mapped, secret={"api_key": KEY}, by=SETUP)
    body = {"settings": {"base_url": "https://x.huducloud.com"}, "secret": {"api_key": KEY}}
    refused = alice.browser().post(f"/api/v1/connector-instances/{other.pk}/configure/", body, "application/json")
    fetched = alice.browser().post(f"/api/v1/connector-instances/{other.pk}/clients/fetch/", {}, "application/json")
    chosen = alice.browser().post(
        f"/api/v1/connector-instances/{other.pk}/own-credentials-only/", {"only": False}, "application/json"
    )
    assert [each.json()["code"] for each in (refused, fetched, chosen)] == ["own_credentials_only"] * 3
    assert "Fetch clients" not in text(alice, reverse("portal:connector_clients", args=[other.pk]))
