"""A connection in the order entitlement, settings and credential, health, activation; and whom it serves."""

import time
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from connectors.health import Checkup
from connectors.models import ConnectorInstance, Credential, CustomerMapping
from connectors.selectors import due_for_check
from connectors.services import record_health
from identity.roles import Role
from tenants.models import Entitlement
from tests.factories import make_tenant
from tests.identity.factories import Person, make_person

SECRET = "canary-secret-4f9a1c77e2"
SETTINGS = {"base_url": "http://127.0.0.1:9", "client_id": "app-1", "client_secret": SECRET}
STEPS = ("Entitlement", "Settings and credential", "Health", "Activation")


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def start(person: Person) -> ConnectorInstance:
    person.browser().post(reverse("portal:connector_start", args=["halopsa"]), {"name": "Service desk"})
    return saved(person)


def saved(person: Person) -> ConnectorInstance:
    with person.world.acting():
        return ConnectorInstance.objects.get()


def press(person: Person, button: str, data: dict[str, object] | None = None, *more: object):
    url = reverse(f"portal:{button}", args=[saved(person).pk, *more])
    return person.browser().post(url, data or {}, follow=True)


def examined(person: Person, checkup: Checkup) -> None:
    """What the broker writes down after its check."""
    with person.world.acting():
        record_health(ConnectorInstance.objects.get(), checkup)


def outcomes(response) -> list[str]:
    return [step.outcome.value for step in response.context["steps"]]


def test_without_entitlement_no_credential_is_asked_for() -> None:
    alice = make_person(make_tenant(entitled=False), Role.ADMIN)
    url = reverse("portal:connector_start", args=["halopsa"])

    page = alice.browser().get(url)
    response = alice.browser().post(url, {"name": "Service desk"})

    assert "Your plan does not include HaloPSA" in page.content.decode()
    assert '<form class="panel' not in page.content.decode()
    assert outcomes(page) == ["wrong", "todo", "todo", "todo"]
    assert response.status_code == 422
    with alice.world.acting():
        assert not ConnectorInstance.objects.exists()


def test_entitlement_that_ended_shows_as_what_is_wrong(alice: Person) -> None:
    start(alice)
    with alice.world.acting():
        Entitlement.objects.update(valid_until=timezone.now() - timedelta(days=1))

    page = alice.browser().get(reverse("portal:connector_instance", args=[saved(alice).pk]))
    refused = press(alice, "connector_configure", SETTINGS)

    assert outcomes(page) == ["wrong", "todo", "todo", "todo"]
    assert refused.status_code == 422
    with alice.world.acting():
        assert not Credential.objects.exists()


def test_set_up_goes_through_four_steps(alice: Person) -> None:
    start(alice)
    page = reverse("portal:connector_instance", args=[saved(alice).pk])
    drafted = outcomes(alice.browser().get(page))
    configured = press(alice, "connector_configure", SETTINGS)
    examined(alice, Checkup("", "Signed in at the vendor."))
    healthy = alice.browser().get(page)
    active = press(alice, "connector_activate")

    assert drafted == ["done", "now", "todo", "todo"]
    assert outcomes(configured) == ["done", "done", "now", "todo"]
    assert configured.context["wait"] == "short"
    assert outcomes(healthy) == ["done", "done", "done", "now"]
    assert outcomes(active) == ["done", "done", "done", "done"]
    assert "Its tools are listed to agents" in active.content.decode()


def test_activation_before_a_good_check_is_refused(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)

    response = press(alice, "connector_activate")

    assert "Not ready (validating)" in response.content.decode()
    assert saved(alice).state == "draft"


def test_failed_check_says_why(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)
    detail = "The vendor did not accept the configured credential."
    examined(alice, Checkup("vendor_unauthorized", detail, permanent=True))

    page = alice.browser().get(reverse("portal:connector_instance", args=[saved(alice).pk]))

    assert detail in page.content.decode()
    assert outcomes(page) == ["done", "done", "wrong", "todo"]


def test_secret_is_in_no_page_afterwards(alice: Person) -> None:
    start(alice)
    broken = press(alice, "connector_configure", SETTINGS | {"base_url": "ftp://x"})
    stored = press(alice, "connector_configure", SETTINGS)

    for page in (broken, stored, alice.browser().get(reverse("portal:connectors"))):
        assert SECRET not in page.content.decode()
    assert "Present, sealed for the broker" in stored.content.decode()


def test_stored_secret_is_kept_when_left_empty(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)

    response = press(alice, "connector_configure", SETTINGS | {"client_secret": ""})

    assert response.status_code == 200
    with alice.world.acting():
        assert [credential.version for credential in Credential.objects.all()] == [1]


def test_secret_is_asked_for_the_first_time(alice: Person) -> None:
    start(alice)

    response = press(alice, "connector_configure", SETTINGS | {"client_secret": ""})

    assert response.status_code == 422
    assert response.context["form"].errors["client_secret"] == ["This field is required."]


def test_customers_are_mapped_and_unmapped(alice: Person) -> None:
    start(alice)
    customer = alice.world.customers[0]

    press(alice, "connector_map", {"customer": customer.pk, "external_id": "11", "external_name": "Acme Ltd"})
    shown = alice.browser().get(reverse("portal:customer", args=[customer.pk])).content.decode()
    with alice.world.acting():
        mapping = CustomerMapping.objects.get()
    press(alice, "connector_unmap", None, mapping.pk)

    assert "Acme Ltd" in shown
    with alice.world.acting():
        assert not CustomerMapping.objects.exists()


def test_a_connection_without_anyone_left_to_map_says_so() -> None:
    alice = make_person(make_tenant(customers=1), Role.ADMIN)
    start(alice)
    page = reverse("portal:connector_clients", args=[saved(alice).pk]) + "?show=suggested"
    before = alice.browser().get(page).content.decode()

    press(alice, "connector_map", {"customer": alice.world.customers[0].pk, "external_id": "11"})
    after = alice.browser().get(page).content.decode()

    assert "Map customer" in before
    assert "Map customer" not in after
    assert "Every active customer is mapped." in after


def test_one_client_of_the_vendor_is_one_customer(alice: Person) -> None:
    start(alice)
    first, second = alice.world.customers[:2]
    press(alice, "connector_map", {"customer": first.pk, "external_id": "11"})

    response = press(alice, "connector_map", {"customer": second.pk, "external_id": "11"})

    assert response.status_code == 422
    assert "Another customer is mapped to this client already." in response.content.decode()


def test_another_tenants_customer_cannot_be_chosen(alice: Person) -> None:
    start(alice)
    foreign = make_tenant("globex").customers[0]

    response = press(alice, "connector_map", {"customer": foreign.pk, "external_id": "11"})

    assert response.status_code == 422
    assert "Select a valid choice" in str(response.context["mapping_form"].errors["customer"])


def test_deactivation_hides_the_tools(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)
    examined(alice, Checkup("", "Signed in at the vendor."))
    press(alice, "connector_activate")

    response = press(alice, "connector_deactivate")

    assert saved(alice).state == "inactive"
    assert not response.context["readiness"].ready


def test_page_says_when_the_broker_is_silent_and_what_will_come(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)
    with alice.world.acting():
        ConnectorInstance.objects.update(check_asked_at=timezone.now() - timedelta(minutes=1))

    page = alice.browser().get(reverse("portal:connector_progress", args=[saved(alice).pk]))

    assert "The check is late." in page.content.decode()
    assert "asked for again every minute" in page.content.decode()
    assert 'hx-trigger="every 20s"' in page.content.decode()


@pytest.mark.usefixtures("no_queue")
def test_settings_are_kept_and_the_check_comes_when_the_queue_is_away(alice: Person) -> None:
    start(alice)
    began = time.monotonic()

    page = press(alice, "connector_configure", SETTINGS)
    again = press(alice, "connector_check")

    assert time.monotonic() - began < 2  # the person waits meanwhile
    assert [page.status_code, again.status_code] == [200, 200]
    assert "A check is asked for." in page.content.decode()
    assert saved(alice).configured_at is not None
    with alice.world.acting():
        assert due_for_check(timezone.now() + timedelta(minutes=1)) == [ConnectorInstance.objects.get()]


def test_check_that_was_asked_for_is_waited_for(alice: Person) -> None:
    start(alice)
    press(alice, "connector_configure", SETTINGS)
    examined(alice, Checkup("", "Signed in at the vendor."))

    response = press(alice, "connector_check")

    assert response.context["wait"] == "short"
    assert "A check was asked for." in response.content.decode()
    examined(alice, Checkup("", "Signed in at the vendor."))
    page = alice.browser().get(reverse("portal:connector_instance", args=[saved(alice).pk]))
    assert page.context["wait"] == ""


def test_viewer_sees_the_state_and_no_form(alice: Person) -> None:
    start(alice)
    bob = make_person(alice.world, Role.VIEWER, name="bob")

    page = bob.browser().get(reverse("portal:connector_instance", args=[saved(alice).pk])).content.decode()

    assert all(step in page for step in STEPS)
    assert 'name="client_secret"' not in page
