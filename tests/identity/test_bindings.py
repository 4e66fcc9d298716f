"""Roles that were given: by whom, why and until when; and that an owner always stays."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from identity.errors import LastOwner
from identity.roles import Role
from identity.selectors import active_bindings, bindings
from identity.services import bind_role, disable_principal, unbind_role
from tenants.errors import DomainError, Invalid
from tests.factories import make_tenant
from tests.identity.factories import SETUP, make_machine, make_person

LIST = "/api/v1/bindings/"
pytestmark = pytest.mark.usefixtures("_real_urls")


@pytest.fixture
def _real_urls(settings):
    settings.ROOT_URLCONF = "msplex.urls"


def _binding_of(person):
    with person.world.acting():
        return bindings().get(principal_id=person.id)


def test_role_cannot_end_before_it_begins():
    bob = make_person(make_tenant(), Role.VIEWER)
    with bob.world.acting(), pytest.raises(Invalid) as refused:
        bind_role(bob.user.principal, role=Role.OPERATOR, by=SETUP, expires_at=timezone.now())

    assert (refused.value.field, refused.value.code) == ("expires_at", "expiry_in_past")


def test_list_says_who_gave_it_why_and_until_when():
    alice = make_person(make_tenant(), Role.OWNER)
    bob, until = make_person(alice.world, Role.VIEWER, name="bob"), timezone.now() + timedelta(days=3)
    with alice.world.acting():
        bind_role(bob.user.principal, role=Role.BILLING, by=alice.actor, reason="Holiday cover", expires_at=until)

    row = alice.browser().get(f"{LIST}?role=billing").json()["results"][0]

    assert (row["principal"], row["created_by"]) == (str(bob.id), alice.user.email)
    assert (row["reason"], row["expires_at"][:19]) == ("Holiday cover", until.isoformat()[:19])


@pytest.mark.parametrize(("query", "roles"), [
    ("ends=never", {"owner", "viewer"}),
    ("ends=later", {"billing"}),
    ("ends=ended", {"admin"}),
    ("role=viewer", {"viewer"}),
    ("principal={bob}", {"viewer", "billing", "admin"}),
    ("customer={customer}", set()),
])  # fmt: skip
@pytest.mark.parametrize("door", ["/api/v1/bindings/", "/roles/given/"])
def test_list_is_narrowed(door, query, roles):
    alice = make_person(make_tenant(), Role.OWNER)
    bob, day = make_person(alice.world, Role.VIEWER, name="bob"), timedelta(days=1)
    with alice.world.acting():
        bind_role(bob.user.principal, role=Role.BILLING, by=SETUP, expires_at=timezone.now() + day)
        ended = bind_role(bob.user.principal, role=Role.ADMIN, by=SETUP)
        type(ended).objects.filter(id=ended.pk).update(expires_at=timezone.now() - day)
    query = query.format(bob=bob.id, customer=alice.world.customers[0].id)

    answer = alice.browser().get(f"{door}?{query}")

    if door.startswith("/api/"):
        assert {row["role"] for row in answer.json()["results"]} == roles
    elif "principal" not in query:
        with alice.world.acting():
            assert {row.record.role for row in answer.context["table"].paginated_rows} == roles


def test_wrong_filter_is_named():
    answer = make_person(make_tenant(), Role.OWNER).browser().get(f"{LIST}?ends=soon")

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["ends"])


def test_customers_manager_sees_the_roles_of_those_people_alone():
    acme = make_tenant()
    mine, other = acme.customers[:2]
    carol = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=mine)
    dave = make_person(acme, Role.CUSTOMER_VIEWER, name="dave", customer=mine)
    for role, customer in ((Role.OWNER, None), (Role.CUSTOMER_VIEWER, other)):
        make_person(acme, role, name="x", customer=customer)
    make_machine(acme, customers=(mine,))

    rows = carol.browser().get(LIST).json()["results"]

    assert {row["principal"] for row in rows} == {str(carol.id), str(dave.id)}


def test_customers_manager_manages_nobody_outside_nor_gives_roles_elsewhere():
    acme = make_tenant()
    mine, other = acme.customers[:2]
    carol = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=mine)
    dave = make_person(acme, Role.CUSTOMER_VIEWER, name="dave", customer=mine)
    erin = make_person(acme, Role.CUSTOMER_VIEWER, name="erin", customer=other)
    browser = carol.browser()

    def give(person, **body):
        return browser.post(f"/api/v1/members/{person.id}/bindings/", body, "application/json").status_code

    assert give(dave, role="customer_manager", customer=str(mine.id)) == 201
    assert give(erin, role="customer_viewer", customer=str(mine.id)) == 404
    assert give(dave, role="customer_viewer", customer=str(other.id)) == 400
    assert give(dave, role="operator", customer=str(mine.id)) == 403
    assert give(dave, role="viewer") == 403
    assert browser.post(f"/api/v1/members/{erin.id}/disable/").status_code == 404


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("door", "queries"), [(LIST, 6), ("/roles/given/", 10)])
def test_list_costs_the_same_for_any_length(door, queries, count, django_assert_num_queries):
    alice = make_person(make_tenant(), Role.OWNER)
    for number in range(count):
        make_person(alice.world, Role.VIEWER, name=f"p{number}", customer=alice.world.customers[0])
    browser = alice.browser()

    with django_assert_num_queries(queries):
        assert browser.get(door).status_code == 200


@pytest.mark.parametrize("how", ["unbind", "disable", "one of each"])
def test_of_two_owners_who_remove_each_other_at_once_one_stays(how):
    acme = make_tenant()
    alice, bob = (make_person(acme, Role.OWNER, name=name) for name in ("alice", "bob"))
    barrier, refused = threading.Barrier(2), []

    def remove(actor, other, by_unbinding):
        by, binding = actor.actor, _binding_of(other)
        try:
            with acme.acting():
                barrier.wait()
                if by_unbinding:
                    unbind_role(binding, by=by)
                else:
                    disable_principal(other.id, by=by)
        except DomainError as error:
            refused.append(error)
        finally:
            connection.close()

    ways = {"unbind": (True, True), "disable": (False, False), "one of each": (True, False)}[how]
    pairs = ((alice, bob, ways[0]), (bob, alice, ways[1]))
    threads = [threading.Thread(target=remove, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Whoever comes second is the last owner's remover, or no owner any more, or disabled: by how close it was.
    assert len(refused) == 1
    with acme.acting():
        owners = active_bindings().filter(role=Role.OWNER.value, principal__disabled_at=None)
        assert owners.count() == 1


def test_owner_whose_role_ends_does_not_let_the_other_go():
    acme = make_tenant()
    alice, bob = make_person(acme, Role.OWNER), make_person(acme, Role.VIEWER, name="bob")
    with acme.acting():
        bind_role(bob.user.principal, role=Role.OWNER, by=SETUP, expires_at=timezone.now() + timedelta(days=1))

    with acme.acting(), pytest.raises(LastOwner):
        unbind_role(bindings().get(principal_id=alice.id), by=SETUP)
