"""An attacker slows down strangers. The owner, in a browser they have used before, is not locked out; guessing is."""

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from identity.cookies import KnownDevice
from identity.errors import CodeRefused, SignInRefused
from identity.models import Attempts
from identity.services import Client, sign_in_code, sign_in_password
from identity.services.throttling import ACCOUNT_FREE, network
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, Person, make_member

HOME = Client("192.0.2.1", "tests")


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant())


def known(person: Person, client: Client = HOME) -> Client:
    """The browser at home, in which she has signed in before."""
    return dataclasses.replace(client, device=KnownDevice.new(person.world.id, person.id).sealed())


def knock(person: Person, password: str, client: Client):
    return sign_in_password(workspace=person.world.workspace, email=person.user.email, password=password, client=client)


def refused(person: Person, client: Client, password: str = "wrong") -> None:
    with pytest.raises(SignInRefused):
        knock(person, password, client)


def test_an_attacker_beside_her_does_not_lock_her_out(alice: Person) -> None:
    """Behind one proxy everybody has one address."""
    for _ in range(12):
        refused(alice, HOME)

    refused(alice, HOME, PASSWORD)
    assert knock(alice, PASSWORD, known(alice)).user_id == alice.id


def test_an_attacker_with_a_thousand_addresses_is_slowed_and_does_not_lock_her_out(alice: Person) -> None:
    for number in range(ACCOUNT_FREE + 1):
        refused(alice, Client(f"198.51.{number // 250}.{number % 250}"))

    refused(alice, Client("203.0.113.9"), PASSWORD)  # right, and yet too early for a stranger
    assert knock(alice, PASSWORD, known(alice)).user_id == alice.id


def test_guessing_in_her_own_browser_is_slowed_too(alice: Person) -> None:
    home = known(alice)
    for _ in range(6):
        refused(alice, home)

    refused(alice, home, PASSWORD)


def test_codes_are_limited_everywhere_and_she_gets_in_at_home(alice: Person) -> None:
    """The attacker has her password already."""
    pending = knock(alice, PASSWORD, Client("203.0.113.1"))
    for number in range(6):
        with pytest.raises(CodeRefused):
            sign_in_code(pending, "000000", client=Client(f"203.0.113.{number}"))

    with pytest.raises(CodeRefused):
        sign_in_code(pending, alice.code(), client=Client("203.0.113.99"))
    assert sign_in_code(pending, alice.recovery_codes[0], client=known(alice)).cookie


def test_codes_are_limited_at_home_too(alice: Person) -> None:
    home = known(alice)
    pending = knock(alice, PASSWORD, home)
    for _ in range(6):
        with pytest.raises(CodeRefused):
            sign_in_code(pending, "000000", client=home)

    with pytest.raises(CodeRefused):
        sign_in_code(pending, alice.recovery_codes[0], client=home)


@pytest.mark.parametrize("whose", ["another person's", "another tenant's", "made up"])
def test_a_browser_that_is_not_hers_is_a_stranger(alice: Person, whose: str) -> None:
    bob = make_member(alice.world, name="bob")
    device = {
        "another person's": KnownDevice.new(alice.world.id, bob.id).sealed(),
        "another tenant's": KnownDevice.new(make_tenant("globex").id, alice.id).sealed(),
        "made up": "x",
    }[whose]
    for _ in range(6):
        refused(alice, HOME)

    refused(alice, dataclasses.replace(HOME, device=device), PASSWORD)


def test_waiting_is_over_after_a_quarter_of_an_hour(alice: Person) -> None:
    for number in range(ACCOUNT_FREE + 10):
        refused(alice, Client(f"198.51.{number // 250}.{number % 250}"))
    with alice.world.acting():
        Attempts.objects.update(last_at=timezone.now() - timedelta(minutes=15, seconds=1))

    assert knock(alice, PASSWORD, Client("203.0.113.9")).user_id == alice.id


@pytest.mark.parametrize(
    ("address", "counted"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:0:1:a::1", "2001:db8:0:1::/64"), ("", ""), ("unix", "unix")],
)
def test_a_site_of_ipv6_counts_as_one_place(address: str, counted: str) -> None:
    assert network(address) == counted
