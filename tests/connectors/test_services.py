"""Set-up, in its order: entitlement, settings and credential, health, activation."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import ConnectorInstance, Credential
from connectors.readiness import readiness
from connectors.selectors import current_credential, entitlement_for, mapping_for
from connectors.services import (
    activate_instance,
    configure_instance,
    deactivate_instance,
    map_customer,
    record_health,
    start_instance,
    unmap_customer,
)
from tenants.errors import Conflict, Invalid, NotAllowed, NotFound
from tenants.models import Entitlement
from tests.connectors.factories import (
    ALICE,
    FINE,
    SECRET,
    SETTINGS,
    bodies,
    configured,
    draft,
    kinds,
)
from tests.factories import make_tenant


def test_a_tenant_without_the_connector_is_stopped_before_anything_is_asked() -> None:
    world = make_tenant(entitled=False)

    with pytest.raises(NotAllowed) as caught, world.acting():
        start_instance("halopsa", by=ALICE)

    assert caught.value.code == "connector_not_entitled"
    with world.acting():
        assert ConnectorInstance.objects.count() == 0


def test_an_entitlement_that_ended_stops_configuration_too(sent: list[Any]) -> None:
    world = make_tenant()
    with world.acting():
        instance = draft(world)
        Entitlement.objects.update(valid_until=timezone.now() - timedelta(seconds=1))

    with pytest.raises(NotAllowed), world.acting():
        configure_instance(instance, settings=SETTINGS, secret=SECRET, by=ALICE)

    with world.acting():
        assert Credential.objects.count() == 0
    assert sent == []


def test_an_unknown_connector_is_not_found() -> None:
    world = make_tenant()

    with pytest.raises(NotFound), world.acting():
        start_instance("hal", by=ALICE)


def test_a_draft_gets_a_short_name_of_its_own() -> None:
    world = make_tenant()
    with world.acting():
        names = [draft(world).slug, draft(world).slug]
        with pytest.raises(Conflict):
            start_instance("halopsa", slug="halopsa", by=ALICE)
        with pytest.raises(Invalid):
            start_instance("halopsa", slug="Not A Slug", by=ALICE)

    assert names == ["halopsa", "halopsa-2"]


def test_configuring_seals_the_secret_and_has_the_connection_checked(sent: list[Any]) -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)
        credential = current_credential(instance)
        assert sent == []  # not before the commit

    assert credential is not None
    assert (credential.version, len(credential.digest)) == (1, 64)
    assert instance.settings == SETTINGS
    assert sent == [((str(instance.id),), {})]
    assert kinds(world) == [
        "connectors:instance:create",
        "connectors:credential:store",
        "connectors:instance:configure",
    ]
    [stored] = bodies(world, "connectors:credential:store")
    assert stored["digest"] == credential.digest
    assert SECRET["client_secret"] not in json.dumps([stored, bodies(world, "connectors:instance:configure")])


@pytest.mark.parametrize(
    ("settings", "secret", "field"),
    [
        ({**SETTINGS, "base_url": "ftp://acme"}, SECRET, "base_url"),
        ({**SETTINGS, "base_url": "https://user@acme.example"}, SECRET, "base_url"),
        ({**SETTINGS, "base_url": "https://acme.example/path?x=1"}, SECRET, "base_url"),
        ({**SETTINGS, "base_url": ""}, SECRET, "base_url"),
        ({**SETTINGS, "client_id": "a b"}, SECRET, "client_id"),
        (SETTINGS, {"client_secret": "short"}, "client_secret"),
        (SETTINGS, {"client_secret": "with\x00control-characters"}, "client_secret"),
        (SETTINGS, {}, "client_secret"),
    ],
)
def test_invalid_settings_change_nothing_and_repeat_no_secret(
    sent: list[Any], settings: dict[str, str], secret: dict[str, str], field: str
) -> None:
    world = make_tenant()
    with world.acting():
        instance = draft(world)

    with pytest.raises(Invalid) as caught, world.acting():
        configure_instance(instance, settings=settings, secret=secret, by=ALICE)

    assert caught.value.field == field
    assert not secret or secret["client_secret"] not in str(caught.value)
    with world.acting():
        instance.refresh_from_db()
        assert (instance.configured_at, Credential.objects.count()) == (None, 0)
    assert sent == []


def test_plain_http_needs_a_listed_network(settings: Any) -> None:
    settings.VENDOR_NETWORKS = ()
    world, plain = make_tenant(), {**SETTINGS, "base_url": "http://acme.halopsa.com"}

    with pytest.raises(Invalid), world.acting():
        configure_instance(draft(world), settings=plain, secret=SECRET, by=ALICE)


@pytest.mark.usefixtures("sent")
def test_a_stored_secret_stays_unless_the_address_or_application_changes() -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)
        configure_instance(instance, settings=SETTINGS, secret={}, by=ALICE)
        assert current_credential(instance).version == 1  # type: ignore[union-attr]
        for change in ({"base_url": "https://evil.halopsa.com"}, {"client_id": "another-app"}):
            with pytest.raises(Invalid) as caught:
                configure_instance(instance, settings=SETTINGS | change, secret={}, by=ALICE)
            assert caught.value.code == "secret_required"


@pytest.mark.usefixtures("sent")
def test_a_new_secret_is_a_new_version() -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)
        configure_instance(instance, settings=SETTINGS, secret={"client_secret": "another-secret-of-acme"}, by=ALICE)

        assert list(Credential.objects.order_by("version").values_list("version", flat=True)) == [1, 2]


@pytest.mark.usefixtures("sent")
def test_activation_waits_for_all_that_comes_before_it() -> None:
    world = make_tenant()
    with world.acting():
        instance = draft(world)
        for step, missing in ((None, "(draft)"), ("configure", "(validating)")):
            if step:
                instance = configure_instance(instance, settings=SETTINGS, secret=SECRET, by=ALICE)
            with pytest.raises(Conflict) as caught:
                activate_instance(instance, by=ALICE)
            assert (caught.value.code, missing in str(caught.value)) == ("instance_not_ready", True)
        instance = record_health(instance, FINE)

        assert activate_instance(instance, by=ALICE).state == "active"


@pytest.mark.usefixtures("sent")
def test_reconfiguring_takes_health_away_until_the_next_check() -> None:
    world = make_tenant()
    with world.acting():
        instance = activate_instance(record_health(configured(world), FINE), by=ALICE)
        instance = configure_instance(instance, settings=SETTINGS, secret={}, by=ALICE)

        assert readiness(instance, entitlement_for("halopsa"), timezone.now()).missing == ("healthy",)


@pytest.mark.usefixtures("sent")
def test_deactivation_is_recorded_once() -> None:
    world = make_tenant()
    with world.acting():
        instance = activate_instance(record_health(configured(world), FINE), by=ALICE)
        instance = deactivate_instance(instance, by=ALICE)
        with pytest.raises(Conflict):
            deactivate_instance(instance, by=ALICE)

    assert kinds(world).count("connectors:instance:deactivate") == 1


@pytest.mark.usefixtures("sent")
def test_customers_are_mapped_moved_and_unmapped() -> None:
    world = make_tenant()
    first, second = world.customers[:2]
    with world.acting():
        instance = configured(world)
        map_customer(instance, customer=first, external_id=" 0011 ", by=ALICE)
        moved = map_customer(instance, customer=first, external_id="12", external_name="Birch", by=ALICE)
        with pytest.raises(Conflict) as caught:
            map_customer(instance, customer=second, external_id="012", by=ALICE)
        unmap_customer(moved, by=ALICE)

        assert mapping_for(instance, first) is None
    assert caught.value.code == "external_id_taken"
    assert [body["external_id"] for body in bodies(world, "connectors:customer:map")] == ["11", "12"]
    assert kinds(world)[-1] == "connectors:customer:unmap"


@pytest.mark.parametrize("external_id", ["", "0", "*", "11,12", "-1", "all"])
def test_a_customer_is_mapped_to_exactly_one_client(external_id: str) -> None:
    world = make_tenant()

    with pytest.raises(Invalid) as caught, world.acting():
        map_customer(draft(world), customer=world.customers[0], external_id=external_id, by=ALICE)

    assert caught.value.field == "external_id"
