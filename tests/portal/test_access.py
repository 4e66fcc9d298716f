"""People, service accounts and customers: made, shown, closed."""

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from identity.matrix import SURFACES
from identity.models import ServiceAccount
from identity.roles import ROLES, Role
from tenants.models import Customer
from tests.factories import make_tenant
from tests.identity.factories import Person, make_machine, make_member, make_person


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.OWNER)


def press(person: Person, button: str, data: dict[str, object] | None = None, *pks: object):
    return person.browser().post(reverse(f"portal:{button}", args=pks), data or {}, follow=True)


def test_service_account_secret_is_shown_once(alice: Person) -> None:
    browser = alice.browser()
    given = {"name": "triage", "purpose": "Sorts", "role": "operator", "owner": alice.id, "lifetime": 90}
    given["customers"] = [alice.world.customers[0].pk]

    shown = browser.post(reverse("portal:service_account_new"), given)
    secret = shown.context["secret"]
    with alice.world.acting():
        account = ServiceAccount.objects.get()
        prefix = account.secrets.get().prefix
    later = browser.get(reverse("portal:service_account", args=[account.pk])).content.decode()

    assert shown.status_code == 200
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert secret not in later
    assert prefix in later
    assert alice.world.customers[0].name in later
    assert f"{settings.PUBLIC_URL}/oauth/token" in later
    assert secret not in shown.context["token_command"]


def test_service_account_name_that_is_taken_is_said_beside_the_form(alice: Person) -> None:
    machine = make_machine(alice.world, owner=alice)
    given = {"name": machine.account.name, "purpose": "Sorts", "role": "operator", "owner": alice.id, "lifetime": 90}

    response = press(alice, "service_account_new", given)

    assert response.status_code == 422
    assert "There is a service account with this name." in response.content.decode()


def test_service_account_is_disabled_and_enabled(alice: Person) -> None:
    machine = make_machine(alice.world, owner=alice)

    disabled = press(alice, "service_account_disable", None, machine.id).content.decode()
    enabled = press(alice, "service_account_enable", None, machine.id).content.decode()

    assert "Its tokens are refused from the next call on." in disabled
    assert "can get tokens again" in enabled


def test_new_secret_is_shown_once_and_not_again_on_reload(alice: Person) -> None:
    machine, browser = make_machine(alice.world, owner=alice), alice.browser()
    page = browser.get(reverse("portal:service_account", args=[machine.id]))
    given = {"replaces": page.context["rotate_form"].initial["replaces"], "overlap": 24, "lifetime": 90}
    url = reverse("portal:service_account_rotate", args=[machine.id])

    shown = browser.post(url, given)
    reloaded = browser.post(url, given)
    later = browser.get(reverse("portal:service_account", args=[machine.id])).content.decode()

    assert shown.context["secret"] in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert reloaded.status_code == 422
    assert "was replaced or revoked already" in reloaded.content.decode()
    assert shown.context["secret"] not in later
    assert "until the overlap ends" in later.lower()


def test_secrets_are_revoked_one_and_all(alice: Person) -> None:
    machine = make_machine(alice.world, owner=alice)
    with alice.world.acting():
        secret = machine.account.secrets.get()

    one = press(alice, "service_account_revoke", None, machine.id, secret.pk).content.decode()
    again = press(alice, "service_account_revoke", None, machine.id, secret.pk).content.decode()
    every = press(alice, "service_account_revoke_all", None, machine.id).content.decode()

    assert "is revoked. Tokens are refused" in one
    assert "is revoked already" in again
    assert "Every secret of" in every


def test_owner_and_ranges_of_an_account_are_changed(alice: Person) -> None:
    machine, bob = make_machine(alice.world, owner=alice), make_person(alice.world, name="bob")
    given = {"purpose": "Night reports", "owner": bob.id, "networks": "203.0.113.0/24 2001:db8::/32"}

    page = press(alice, "service_account_amend", given, machine.id).content.decode()
    wrong = press(alice, "service_account_amend", given | {"networks": "everywhere"}, machine.id)

    assert all(each in page for each in ("Night reports", bob.user.name, "203.0.113.0/24 2001:db8::/32"))
    assert (wrong.status_code, list(wrong.context["amend_form"].errors)) == (422, ["networks"])


def test_what_a_person_must_look_at_is_said_in_the_list(alice: Person) -> None:
    bob = make_person(alice.world, Role.ADMIN, name="bob")
    machine = make_machine(alice.world, owner=bob)
    press(alice, "person_disable", None, bob.id)
    with alice.world.acting():
        ServiceAccount.objects.filter(id=machine.id).update(locked_at=timezone.now())

    page = alice.browser().get(reverse("portal:service_accounts")).content.decode()
    detail = alice.browser().get(reverse("portal:service_account", args=[machine.id])).content.decode()

    assert "Owner disabled" in page
    assert "Locked" in page
    assert "Locked on" in detail


def test_disabled_person_is_out_on_the_next_request(alice: Person) -> None:
    bob = make_member(alice.world, Role.OPERATOR, name="bob")
    browser = bob.browser()
    before = browser.get("/").status_code

    press(alice, "person_disable", None, bob.id)

    assert before == 200
    assert browser.get("/").status_code == 302


def test_last_owner_cannot_be_disabled_or_stripped(alice: Person) -> None:
    admin = make_person(alice.world, Role.OWNER, name="second")
    press(alice, "person_disable", None, admin.id)

    page = press(alice, "person_disable", None, alice.id)

    assert "alert" in page.content.decode()
    assert alice.browser().get("/").status_code == 200


def test_roles_are_given_and_taken_away(alice: Person) -> None:
    bob = make_person(alice.world, Role.VIEWER, name="bob")
    customer = alice.world.customers[0]

    given = press(alice, "person_bind", {"role": "customer_manager", "customer": customer.pk}, bob.id)
    binding = next(each for each in given.context["bindings"] if each.customer_id == customer.pk)
    taken = press(alice, "person_unbind", None, bob.id, binding.pk)

    assert customer.name in given.content.decode()
    assert [each.role for each in taken.context["bindings"]] == ["viewer"]


def test_role_for_a_customer_needs_one(alice: Person) -> None:
    bob = make_person(alice.world, Role.VIEWER, name="bob")

    response = press(alice, "person_bind", {"role": "customer_viewer"}, bob.id)

    assert response.status_code == 422
    assert "is always for one customer" in response.content.decode()


def test_binding_of_another_principal_is_not_found(alice: Person) -> None:
    bob, carol = make_person(alice.world, name="bob"), make_person(alice.world, name="carol")
    with alice.world.acting():
        binding = carol.user.principal.bindings.get()

    assert press(alice, "person_unbind", None, bob.id, binding.pk).status_code == 404


def test_second_factor_is_reset(alice: Person) -> None:
    bob = make_member(alice.world, Role.VIEWER, name="bob")
    browser = bob.browser()

    page = press(alice, "person_reset", None, bob.id).content.decode()

    assert "sets up a new second factor" in page
    assert browser.get("/").status_code == 302


def test_customer_is_added_and_archived(alice: Person) -> None:
    added = press(alice, "customer_new", {"name": "Riverside Dental", "key": "riverside"})
    with alice.world.acting():
        customer = Customer.objects.get(key="riverside")
    archived = press(alice, "customer_archive", None, customer.pk)

    assert "Riverside Dental" in added.content.decode()
    assert "is archived" in archived.content.decode()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Riverside", "key": "River Side"}, "Use lower-case letters, digits and hyphens"),
        ({"name": "Riverside", "key": "acme-1"}, "There is a customer with this short name."),
        ({"name": "", "key": "riverside"}, "This field is required."),
    ],
)
def test_customer_form_says_what_to_mend(alice: Person, given: dict[str, str], said: str) -> None:
    response = press(alice, "customer_new", given)

    assert response.status_code == 422
    assert said in response.content.decode()


def test_names_are_text_and_nothing_else(alice: Person) -> None:
    name = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    press(alice, "customer_new", {"name": name, "key": "odd"})

    page = alice.browser().get(reverse("portal:customers")).content.decode()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_roles_page_is_the_table(alice: Person) -> None:
    page = alice.browser().get(reverse("portal:roles"))

    assert [role.label for role, _ in page.context["roles"]] == [role.label for role in ROLES.values()]
    assert [surface for group in page.context["groups"] for surface in group.surfaces] == list(SURFACES)
    allowed = sum(len(surface.bearers) for surface in SURFACES)
    assert page.content.decode().count(">allowed<") == allowed


def test_role_is_given_with_a_reason_and_an_end(alice: Person) -> None:
    bob = make_person(alice.world, Role.VIEWER, name="bob")
    given = {"role": "billing", "reason": "Holiday cover", "expires_at": "2099-12-31"}

    page = press(alice, "person_bind", given, bob.id).content.decode()

    assert "Holiday cover" in page
    assert "31 Dec 2099" in page


def test_end_in_the_past_is_said_beside_the_field(alice: Person) -> None:
    bob = make_person(alice.world, Role.VIEWER, name="bob")

    response = press(alice, "person_bind", {"role": "billing", "expires_at": "2020-01-01"}, bob.id)

    assert response.status_code == 422
    assert "expires_at" in response.context["binding_form"].errors


def test_changes_need_the_forms_token(alice: Person) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.cookies = alice.browser().cookies

    response = browser.post(reverse("portal:customer_new"), {"name": "Riverside", "key": "riverside"})

    assert response.status_code == 403
