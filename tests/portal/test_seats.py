"""No more people than the plan has seats: whoever comes in, by whichever door, and however many at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from identity.models import Invitation, Principal
from identity.roles import Role
from identity.services import create_member, disable_principal, enable_principal, invite, resend_invitation
from identity.services.invitations import accept_invitation
from identity.services.seats import people
from tenants.errors import Conflict
from tenants.models import Subscription
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_person

NO_SEAT = "seats of the plan are taken"


def seats(world: TenantWorld, number: int | None) -> None:
    with world.acting():
        Subscription.objects.update(seats=number)


def asked_in(world: TenantWorld, name: str) -> Invitation:
    with world.acting():
        return invite(email=f"{name}@msp.example", role=Role.VIEWER, by=SETUP)


@pytest.fixture
def olivia() -> Person:
    """Alone, with a plan for two."""
    world = make_tenant()
    person = make_person(world, Role.OWNER)
    seats(world, 2)
    return person


def test_an_open_invitation_holds_a_seat_and_the_next_is_refused_with_a_way_out(olivia: Person) -> None:
    asked_in(olivia.world, "bob")
    with pytest.raises(Conflict, match=f"All 2 {NO_SEAT}, by 1 people and 1 open invitation") as refused:
        asked_in(olivia.world, "carol")
    assert refused.value.code == "no_seat"
    seats(olivia.world, 3)
    asked_in(olivia.world, "carol")


def test_it_is_said_on_the_page_and_by_the_api(olivia: Person) -> None:
    seats(olivia.world, 1)
    browser = olivia.browser()
    page = browser.post("/people/invite/", {"email": "bob@msp.example", "role": "viewer", "reason": ""})
    assert (page.status_code, NO_SEAT in page.content.decode()) == (422, True)
    asked = {"email": "bob@msp.example", "role": "viewer"}
    response = browser.post("/api/v1/invitations/", asked, "application/json")
    assert (response.status_code, response.json()["code"]) == (409, "no_seat")


def test_a_disabled_person_holds_no_seat_and_needs_one_to_come_back(olivia: Person) -> None:
    bob = make_person(olivia.world, Role.VIEWER, name="bob")
    with olivia.world.acting():
        disable_principal(bob.id, by=SETUP)
    asked_in(olivia.world, "carol")
    with olivia.world.acting(), pytest.raises(Conflict, match=NO_SEAT):
        enable_principal(bob.id, by=SETUP)


def test_what_is_no_person_needs_none(olivia: Person) -> None:
    machine = make_machine(olivia.world, Role.VIEWER)
    seats(olivia.world, 1)
    with olivia.world.acting():
        disable_principal(machine.id, by=SETUP)
        enable_principal(machine.id, by=SETUP)


def test_provisioning_is_refused_too(olivia: Person) -> None:
    seats(olivia.world, 1)
    with olivia.world.acting(), pytest.raises(Conflict, match=NO_SEAT):
        create_member(email="bob@msp.example", name="Bob", role=Role.VIEWER, password="a long one for Bob", by=SETUP)


def test_an_expired_invitation_needs_a_seat_to_be_sent_again(olivia: Person) -> None:
    bob = asked_in(olivia.world, "bob")
    with olivia.world.acting():
        Invitation.objects.filter(id=bob.pk).update(expires_at=bob.expires_at.replace(year=2020))
        invite(email="carol@msp.example", role=Role.VIEWER, by=SETUP)
        with pytest.raises(Conflict, match=NO_SEAT):
            resend_invitation(bob.pk, by=SETUP)


def test_people_of_customers_are_counted_whoever_asks(olivia: Person) -> None:
    """A manager of one customer sees neither the MSP's people nor those of another customer, and is refused alike."""
    first = olivia.world.customers[0]
    manager = make_person(olivia.world, Role.CUSTOMER_MANAGER, name="mona", customer=first)
    asked = {"email": "dan@first.example", "role": "customer_viewer", "customer": str(first.pk)}
    response = manager.browser().post("/api/v1/invitations/", asked, "application/json")
    assert response.json()["code"] == "no_seat"


def test_fewer_seats_than_people_send_nobody_away(olivia: Person) -> None:
    seats(olivia.world, None)
    make_person(olivia.world, Role.VIEWER, name="bob")
    seats(olivia.world, 1)
    with olivia.world.acting():
        assert people() == 2
    assert olivia.browser().get("/").status_code == 200


def test_of_many_at_once_only_as_many_as_there_are_seats(olivia: Person) -> None:
    seats(olivia.world, 4)

    def ask(number: int) -> bool:
        try:
            asked_in(olivia.world, f"guest{number}")
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(ask, range(12))) == 3


def test_a_guest_whose_seat_is_gone_is_told_so(olivia: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from identity.links import Link, Purpose  # noqa: PLC0415

    made: list[Link] = []
    real = Link.new

    def kept(purpose: Purpose, tenant: object) -> Link:
        made.append(real(purpose, tenant))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(Link, "new", staticmethod(kept))
    asked_in(olivia.world, "bob")
    seats(olivia.world, 1)
    from identity.services.sessions import Client  # noqa: PLC0415

    with pytest.raises(Conflict, match=NO_SEAT):
        accept_invitation(made[0].token, name="Bob", password="a long one for Bob", client=Client("", ""))
    with olivia.world.acting():
        assert not Principal.objects.filter(label="bob@msp.example").exists()
