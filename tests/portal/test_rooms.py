"""Each room: works, wrong role, another tenant's object."""

from uuid import uuid4

import pytest
from django.urls import reverse

from identity.roles import Role
from tests.factories import make_tenant
from tests.identity.factories import make_person
from tests.portal.factories import Furnished, furnish

# room -> a role that may not enter it
LISTS = {
    "dashboard": None,
    "customers": None,
    "customer_new": Role.OPERATOR,
    "connectors": Role.BILLING,
    "calls": Role.BILLING,
    "people": Role.OPERATOR,
    "people_invitations": Role.OPERATOR,
    "people_invite": Role.OPERATOR,
    "service_accounts": Role.OPERATOR,
    "service_account_new": Role.VIEWER,
    "roles": None,
    "account": None,
    "account_name": None,
    "account_password": None,
    "account_email": None,
    "account_history": None,
}
DETAILS = {
    "customer": (lambda it: it.world.customers[0].pk, None),
    "connector_instance": (lambda it: it.instance.pk, Role.BILLING),
    "connector_progress": (lambda it: it.instance.pk, Role.BILLING),
    "call": (lambda it: it.call.pk, Role.BILLING),
    "person": (lambda it: it.owner.id, Role.OPERATOR),
    "service_account": (lambda it: it.machine.id, Role.OPERATOR),
}
BUTTONS = {
    "people_resend": (lambda it: it.invitation.pk, Role.OPERATOR),
    "people_withdraw": (lambda it: it.invitation.pk, Role.OPERATOR),
    "customer_archive": (lambda it: it.world.customers[0].pk, Role.OPERATOR),
    "connector_configure": (lambda it: it.instance.pk, Role.VIEWER),
    "connector_check": (lambda it: it.instance.pk, Role.VIEWER),
    "connector_activate": (lambda it: it.instance.pk, Role.VIEWER),
    "connector_deactivate": (lambda it: it.instance.pk, Role.VIEWER),
    "connector_map": (lambda it: it.instance.pk, Role.VIEWER),
    "person_disable": (lambda it: it.owner.id, Role.OPERATOR),
    "person_enable": (lambda it: it.owner.id, Role.OPERATOR),
    "person_reset": (lambda it: it.owner.id, Role.OPERATOR),
    "person_bind": (lambda it: it.owner.id, Role.OPERATOR),
    "service_account_disable": (lambda it: it.machine.id, Role.OPERATOR),
    "service_account_enable": (lambda it: it.machine.id, Role.OPERATOR),
    "service_account_bind": (lambda it: it.machine.id, Role.OPERATOR),
}


@pytest.fixture(scope="module")
def acme(_database: None) -> Furnished:
    return furnish("acme")


@pytest.fixture(scope="module")
def globex(_database: None) -> Furnished:
    return furnish("globex")


@pytest.mark.parametrize("room", LISTS)
def test_room_opens(acme: Furnished, room: str) -> None:
    response = acme.owner.browser().get(reverse(f"portal:{room}"))

    assert response.status_code == 200
    assert "<h1>" in response.content.decode()


@pytest.mark.parametrize("room", LISTS)
def test_room_opens_for_a_tenant_with_nothing(room: str) -> None:
    alice = make_person(make_tenant(customers=0, entitled=False), Role.ADMIN)

    assert alice.browser().get(reverse(f"portal:{room}")).status_code == 200


@pytest.mark.parametrize(("room", "role"), [(room, role) for room, role in LISTS.items() if role])
def test_room_is_closed_to_other_roles(acme: Furnished, room: str, role: Role) -> None:
    bob = make_person(acme.world, role, name="bob")

    response = bob.browser().get(reverse(f"portal:{room}"))

    assert response.status_code == 403
    assert "This needs the permission" in response.content.decode()


@pytest.mark.parametrize("room", LISTS)
def test_room_sends_strangers_to_the_door(client, room: str) -> None:
    response = client.get(reverse(f"portal:{room}"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("portal:sign_in"))


@pytest.mark.parametrize("room", DETAILS)
def test_detail_opens(acme: Furnished, room: str) -> None:
    pk = DETAILS[room][0](acme)

    assert acme.owner.browser().get(reverse(f"portal:{room}", args=[pk])).status_code == 200


@pytest.mark.parametrize(("room", "role"), [(room, role) for room, (_, role) in DETAILS.items() if role])
def test_detail_is_closed_to_other_roles(acme: Furnished, room: str, role: Role) -> None:
    bob = make_person(acme.world, role, name="bob")

    assert bob.browser().get(reverse(f"portal:{room}", args=[DETAILS[room][0](acme)])).status_code == 403


@pytest.mark.parametrize("room", DETAILS)
def test_detail_of_another_tenant_is_like_an_unknown_one(acme: Furnished, globex: Furnished, room: str) -> None:
    browser = globex.owner.browser()

    other = browser.get(reverse(f"portal:{room}", args=[DETAILS[room][0](acme)]))
    unknown = browser.get(reverse(f"portal:{room}", args=[uuid4()]))

    assert other.status_code == unknown.status_code == 404
    assert other.content == unknown.content
    assert other.headers == unknown.headers


@pytest.mark.parametrize("button", BUTTONS)
def test_button_is_closed_to_other_roles(acme: Furnished, button: str) -> None:
    pk, role = BUTTONS[button]
    bob = make_person(acme.world, role, name="bob")

    assert bob.browser().post(reverse(f"portal:{button}", args=[pk(acme)])).status_code == 403


@pytest.mark.parametrize("button", BUTTONS)
def test_button_on_another_tenant_is_like_an_unknown_one(acme: Furnished, globex: Furnished, button: str) -> None:
    browser = globex.owner.browser()

    other = browser.post(reverse(f"portal:{button}", args=[BUTTONS[button][0](acme)]))
    unknown = browser.post(reverse(f"portal:{button}", args=[uuid4()]))

    assert other.status_code == unknown.status_code == 404
    assert other.content == unknown.content


@pytest.mark.parametrize("button", BUTTONS)
def test_button_is_not_a_link(acme: Furnished, button: str) -> None:
    response = acme.owner.browser().get(reverse(f"portal:{button}", args=[BUTTONS[button][0](acme)]))

    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "<h1>" in response.content.decode()


def test_place_that_may_not_be_entered_is_not_shown(acme: Furnished) -> None:
    bob = make_person(acme.world, Role.OPERATOR, name="bob")

    page = bob.browser().get("/").content.decode()

    assert reverse("portal:calls") in page
    assert reverse("portal:people") not in page


def test_customer_viewer_sees_that_customer_alone(acme: Furnished) -> None:
    mine, other = acme.world.customers[:2]
    carol = make_person(acme.world, Role.CUSTOMER_VIEWER, name="carol", customer=mine)

    page = carol.browser().get(reverse("portal:customers")).content.decode()

    assert mine.name in page
    assert other.name not in page
    assert carol.browser().get(reverse("portal:customer", args=[other.pk])).status_code == 404
