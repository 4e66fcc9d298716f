"""Who gets which message when an account, a role, a factor or an agent changes; and nobody two of one act."""

from datetime import timedelta

import pytest
from django.conf import settings

from identity.errors import ClientRefused, PasskeyRefused
from identity.models import AgentSession, RoleBinding, Session
from identity.roles import Role
from identity.selectors import passkeys_of
from identity.services import (
    Client,
    bind_role,
    disable_principal,
    end_agent_session,
    exchange_secret,
    remove_passkey,
    renew_recovery_codes,
    revoke_all_secrets,
    revoke_session,
    revoke_sessions,
    rotate_secret,
    set_security_policy,
    sign_out,
    unbind_role,
)
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_member, make_person
from tests.identity.post import post
from tests.identity.test_passkeys import register, second_factor
from tests.identity.test_passwords import own
from tests.oauth.flow import McpClient

pytestmark = pytest.mark.usefixtures("whole_portal")  # for the agents' consent
AWAY = Client("203.0.113.9", "tests")


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


@pytest.fixture
def olivia(acme: TenantWorld) -> Person:
    return make_person(acme, Role.OWNER, name="olivia")


@pytest.fixture
def alice(acme: TenantWorld) -> Person:
    return make_member(acme, Role.OPERATOR)


def told(world: TenantWorld) -> list[tuple[str, str]]:
    """Whom, and about what; each message checked for holes."""
    letters = post(world)
    assert [letter.body for letter in letters if "None" in letter.body or "  " in letter.body] == []
    return sorted((letter.to[0], letter.subject) for letter in letters)


def latest(person: Person):
    person.browser()
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id).latest("id").pk


def test_who_answers_for_automation_and_the_admins_hear_that_it_is_locked(acme: TenantWorld, olivia: Person) -> None:
    adam, machine = make_person(acme, Role.ADMIN, name="adam"), make_machine(acme, owner=olivia)
    make_person(acme, Role.OPERATOR, name="bob")
    with acme.acting():
        rotate_secret(machine.account, overlap=timedelta(0), by=SETUP)
    post(acme)

    for _ in range(2):  # the second try locks nothing more
        with pytest.raises(ClientRefused):
            exchange_secret(machine.client_id, machine.secret, resource=settings.GATEWAY_RESOURCE, client=AWAY)

    subject = f"The service account {machine.account.name} was locked"
    assert told(acme) == sorted([(olivia.user.email, subject), (adam.user.email, subject)])


def test_who_answers_for_automation_hears_of_its_secrets(acme: TenantWorld, olivia: Person, alice: Person) -> None:
    machine = make_machine(acme, owner=alice)
    with acme.acting():
        rotate_secret(machine.account, by=olivia.actor)
    rotated = post(acme)
    with acme.acting():
        revoke_all_secrets(machine.account, by=olivia.actor)
    revoked = post(acme)

    assert [letter.to for letter in rotated + revoked] == [[alice.user.email]] * 2
    assert rotated[0].subject == f"A secret was rotated: {machine.account.name}"
    assert f"{olivia.user.email} made a new secret" in rotated[0].body
    assert "The one before works until" in rotated[0].body
    assert "revoked 2 secrets" in revoked[0].body


def test_admins_hear_which_automation_a_disabled_person_leaves(acme: TenantWorld, olivia: Person) -> None:
    adam, carl = make_person(acme, Role.ADMIN, name="adam"), make_person(acme, Role.ADMIN, name="carl")
    machine, gone = make_machine(acme, owner=carl), make_machine(acme, owner=carl)
    with acme.acting():
        disable_principal(gone.id, by=SETUP)
        disable_principal(carl.id, by=olivia.actor)

    letters = post(acme)

    admins = [letter for letter in letters if letter.subject == "Service accounts need another owner"]
    assert sorted(letter.to[0] for letter in admins) == sorted([adam.user.email, olivia.user.email])
    assert [machine.account.name in admins[0].body, gone.account.name in admins[0].body] == [True, False]
    assert [letter.subject for letter in letters if letter.to == [carl.user.email]] == ["Your account was disabled"]


def test_a_person_without_automation_leaves_no_message_to_the_admins(acme: TenantWorld, olivia: Person) -> None:
    bob = make_person(acme, Role.OPERATOR, name="bob")
    with acme.acting():
        disable_principal(bob.id, by=olivia.actor)

    assert told(acme) == [(bob.user.email, "Your account was disabled")]


def connected(person: Person) -> AgentSession:
    McpClient.registered().tokens(person, person.world.customers[0])
    with person.world.acting():
        return AgentSession.objects.latest("id")


def test_people_hear_of_the_agents_that_act_for_them(acme: TenantWorld, olivia: Person, alice: Person) -> None:
    session = connected(alice)
    (letter,) = post(acme)
    with acme.acting():
        end_agent_session(session.pk, by=olivia.actor)
    ended = told(acme)
    own_session = connected(alice)
    post(acme)
    with acme.acting():
        end_agent_session(own_session.pk, by=alice.actor)

    assert (letter.to, letter.subject) == ([alice.user.email], "An agent was connected to your account")
    assert f"for {acme.customers[0].name} only" in letter.body
    assert ended == [(alice.user.email, "An agent of yours was disconnected")]
    assert told(acme) == []  # what they did themselves


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_a_credential_that_is_used_twice_is_told_to_its_person_and_the_admins_once(
    acme: TenantWorld, olivia: Person, role: Role
) -> None:
    ann, client = make_member(acme, role, name="ann"), McpClient.registered()
    first = client.tokens(ann, acme.customers[0])
    client.refresh(first["refresh_token"])
    post(acme)

    for _ in range(2):
        assert client.refresh(first["refresh_token"]).status_code == 400

    subject = "An agent was shut out"
    assert told(acme) == sorted([(ann.user.email, subject), (olivia.user.email, subject)])


def test_people_hear_of_their_passkeys_and_codes(acme: TenantWorld, alice: Person) -> None:
    register(alice, name="Laptop")
    (added,) = post(acme)
    with acme.acting(principal=alice.id):
        passkey, session = passkeys_of(alice.id).get(), own(alice).session_id
        remove_passkey(alice.user, passkey.pk, session_id=session, by=alice.actor)
    removed = told(acme)
    with acme.acting(principal=alice.id):
        renew_recovery_codes(own(alice))

    assert (added.to, added.subject) == ([alice.user.email], "A passkey was added to your account")
    assert '"Laptop"' in added.body
    assert removed == [(alice.user.email, "A passkey was removed from your account")]
    assert told(acme) == [(alice.user.email, "New recovery codes were made")]


def test_a_passkey_whose_counter_goes_back_is_told_to_its_person(acme: TenantWorld, alice: Person, monkeypatch) -> None:
    monkeypatch.setattr("identity.services.passkey_sign_in.REFUSAL_SECONDS", 0)
    device = register(alice)
    second_factor(alice, device)
    post(acme)

    device.counter = 0
    with pytest.raises(PasskeyRefused):
        second_factor(alice, device)
    copied = told(acme)
    device.rp_id, device.counter = "evil.example", 9
    with pytest.raises(PasskeyRefused):
        second_factor(alice, device)

    assert copied == [(alice.user.email, "A passkey of yours may have been copied")]
    assert told(acme) == []  # what is refused for another reason


def test_people_hear_who_signed_them_out(acme: TenantWorld, olivia: Person, alice: Person) -> None:
    first, second = latest(alice), latest(alice)
    with acme.acting():
        revoke_session(first, by=olivia.actor)
        revoke_session(first, by=olivia.actor)
    one = told(acme)
    with acme.acting():
        revoke_sessions(alice.id, by=olivia.actor)
        revoke_sessions(alice.id, by=olivia.actor)
    every = told(acme)
    with acme.acting():
        revoke_session(latest(alice), by=alice.actor)
        sign_out(second, by=alice.actor)
        revoke_sessions(alice.id, by=alice.actor)

    assert one == every == [(alice.user.email, "You were signed out")]
    assert told(acme) == []


def test_owners_hear_of_another_security_policy(acme: TenantWorld, olivia: Person, alice: Person) -> None:
    oscar = make_person(acme, Role.OWNER, name="oscar")
    with acme.acting():
        for _ in range(2):  # the second changes nothing
            set_security_policy(idle_minutes=15, session_minutes=720, passkey_sign_in=True, by=olivia.actor)

    letters = post(acme)

    assert sorted(letter.to[0] for letter in letters) == sorted([olivia.user.email, oscar.user.email])
    assert "signed out when not used for 60 minutes, now 15 minutes; passkeys in place of" in letters[0].body
    assert "720" not in letters[0].body


def test_people_hear_of_their_roles(acme: TenantWorld, olivia: Person, alice: Person) -> None:
    customer = acme.customers[0]
    with acme.acting():
        given = bind_role(
            alice.user.principal, role=Role.CUSTOMER_VIEWER, customer=customer, by=olivia.actor, reason="Holidays"
        )
    (letter,) = post(acme)
    with acme.acting():
        unbind_role(RoleBinding.objects.get(id=given.pk), by=olivia.actor)
    (taken,) = post(acme)
    machine = make_machine(acme, owner=olivia)
    with acme.acting():
        bind_role(machine.account.principal, role=Role.VIEWER, by=olivia.actor)

    assert (letter.to, letter.subject) == ([alice.user.email], "You have a new role")
    assert f"the role Customer viewer for {customer.name}" in letter.body
    assert "The reason given: Holidays" in letter.body
    assert (taken.to, taken.subject) == ([alice.user.email], "A role was taken from you")
    assert told(acme) == []  # automation has no mailbox


def test_a_customers_manager_causes_messages_too(acme: TenantWorld) -> None:
    """Whose context shows neither the tenant's people nor their messages."""
    customer = acme.customers[0]
    carol = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=customer)
    dave = make_person(acme, Role.CUSTOMER_VIEWER, name="dave", customer=customer)
    session = latest(dave)
    with acme.acting(customer, principal=carol.id):
        revoke_session(session, by=carol.actor)
        disable_principal(dave.id, by=carol.actor)

    assert told(acme) == [(dave.user.email, "You were signed out"), (dave.user.email, "Your account was disabled")]
