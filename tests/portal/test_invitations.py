"""From the invitation in the portal, through the mailbox, to the first session."""

import base64
import io
import logging

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse
from django_otp.oath import totp

from identity.cookies import pending_cookie_name
from identity.models import Invitation, User
from identity.roles import ROLES, Role
from identity.services import withdraw_invitation
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, Person, make_member
from tests.identity.post import link_in, post

GUEST = {"email": "Gus@Acme.example", "role": "operator", "reason": "Night shift"}
ANSWER = {"name": "Gus", "password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


def send(person: Person, **changed: object):
    return person.browser().post(reverse("portal:people_invite"), GUEST | changed, follow=True)


def path_in_mailbox(person: Person) -> str:
    (letter,) = post(person.world)
    return link_in(letter).removeprefix(settings.PUBLIC_URL)


def test_guest_comes_with_a_password_and_a_second_factor(alice: Person) -> None:
    listed = send(alice).content.decode()
    path, browser = path_in_mailbox(alice), Browser()

    page = browser.get(path).content.decode()
    taken = browser.post(path, ANSWER)
    inside_too_early = browser.get("/").status_code
    seed = browser.get(reverse("portal:enrol")).context["seed"]
    code = f"{totp(base64.b32decode(seed + '=' * (-len(seed) % 8))):06d}"
    done = browser.post(reverse("portal:enrol"), {"code": code})

    assert "gus@acme.example" in listed
    assert "Night shift" in listed
    assert f"Welcome to {alice.world.name}" in page
    assert ROLES[Role.OPERATOR].label in page
    assert taken["Location"] == reverse("portal:enrol")
    assert inside_too_early == 302
    assert len(done.context["codes"]) == 10
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"role": "customer_viewer"}, "customer"), ({"email": "gus"}, "email"), ({"role": ""}, "role")],
)
def test_form_says_what_to_mend(alice: Person, changed: dict[str, str], field: str) -> None:
    response = send(alice, **changed)

    assert response.status_code == 422
    assert field in response.context["form"].errors
    with alice.world.acting():
        assert not Invitation.objects.exists()


def test_admin_cannot_invite_an_owner(alice: Person) -> None:
    admin = make_member(alice.world, Role.ADMIN, name="admin")

    assert send(admin, role="owner").status_code == 422


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "short", "again": "short"}, "password"),
        ({"again": "another one"}, "again"),
        ({"name": ""}, "name"),
    ],
)
def test_guest_is_told_what_to_mend_and_no_password_comes_back(
    alice: Person, changed: dict[str, str], field: str
) -> None:
    send(alice)
    path = path_in_mailbox(alice)

    response = Browser().post(path, ANSWER | changed)

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert PASSWORD not in response.content.decode()
    with alice.world.acting():
        assert not User.objects.filter(email="gus@acme.example").exists()


def test_every_link_that_is_not_good_has_the_same_page(alice: Person) -> None:
    send(alice)
    withdrawn = path_in_mailbox(alice)
    with alice.world.acting():
        withdraw_invitation(Invitation.objects.get().pk, by=alice.actor)
    send(alice)
    used = path_in_mailbox(alice)
    Browser().post(used, ANSWER)

    made_up = reverse("portal:welcome", args=["nothing"])
    answers = [Browser().get(path) for path in (made_up, withdrawn, used)]
    answers += [Browser().post(path, ANSWER) for path in (made_up, withdrawn, used)]

    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.content for answer in answers}) == 1
    assert "not valid any more" in answers[0].content.decode()
    assert all(pending_cookie_name() not in answer.cookies for answer in answers)


def test_a_link_opened_by_a_scanner_stays_good(alice: Person) -> None:
    send(alice)
    path = path_in_mailbox(alice)

    for _ in range(3):
        Browser().get(path)

    assert Browser().post(path, ANSWER).status_code == 302


def test_somebody_else_who_is_signed_in_here_does_not_come(alice: Person) -> None:
    send(alice)
    path = path_in_mailbox(alice)
    mallory = make_member(make_tenant("globex"), Role.OWNER).browser()

    page = mallory.get(path)
    taken = mallory.post(path, ANSWER)

    assert page.status_code == 200
    assert taken["Location"] == reverse("portal:enrol")
    assert mallory.get(reverse("portal:enrol")).status_code == 200


def test_invitation_is_sent_again_and_withdrawn(alice: Person) -> None:
    send(alice)
    first = path_in_mailbox(alice)
    with alice.world.acting():
        pk = Invitation.objects.get().pk

    again = alice.browser().post(reverse("portal:people_resend", args=[pk]), follow=True).content.decode()
    gone = alice.browser().post(reverse("portal:people_withdraw", args=[pk]), follow=True).content.decode()

    assert "A new invitation is on its way" in again
    assert "is withdrawn" in gone
    assert Browser().get(first).status_code == 410


def test_a_message_that_could_not_be_sent_is_shown(alice: Person, settings) -> None:
    settings.EMAIL_BACKEND = "identity.mail_backends.MissingBackend"
    send(alice)
    post(alice.world)

    page = alice.browser().get(reverse("portal:people_invitations")).content.decode()

    assert "No mail server is set" in page


@pytest.mark.parametrize(("query", "shown"), [("status=pending", True), ("status=expired", False), ("q=GUS", True)])
def test_invitations_are_narrowed(alice: Person, query: str, shown: bool) -> None:
    send(alice)

    page = alice.browser().get(f"{reverse('portal:people_invitations')}?{query}").content.decode()

    assert ("gus@acme.example" in page) is shown


def test_pending_invitations_stand_above_the_people(alice: Person) -> None:
    send(alice)

    page = alice.browser().get(reverse("portal:people")).content.decode()

    assert "Pending invitations" in page
    assert "gus@acme.example" in page


def test_the_address_in_the_message_is_the_pages(alice: Person) -> None:
    send(alice)
    (letter,) = post(alice.world)

    assert link_in(letter).startswith(f"{settings.PUBLIC_URL}{reverse('portal:welcome', args=['x'])[:-2]}")


def test_a_token_that_is_still_good_is_in_no_log(
    alice: Person, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = io.StringIO()  # the configured handler keeps the stderr of when it was made, which need not be capfd's
    (handler,) = (each for each in logging.getLogger().handlers if each.name == "said")
    monkeypatch.setattr(handler, "stream", lines)
    send(alice)
    path = path_in_mailbox(alice)

    Browser().post(path, ANSWER | {"password": "short", "again": "short"})
    Browser(enforce_csrf_checks=True).post(path, ANSWER)

    logged = lines.getvalue() + "".join(capfd.readouterr())
    assert "/links/invitation/.../" in logged
    assert path.split("/")[3] not in logged
    assert Browser().get(path).status_code == 200
