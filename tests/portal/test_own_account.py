"""What a person does with the own account in the portal, and the pages behind the links in messages."""

import base64

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse
from django_otp.oath import totp

from audit.selectors import events
from identity.cookies import device_cookie_name
from identity.models import User
from identity.roles import Role
from identity.services import passwords
from identity.services.attempts import FREE
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, Person, fresh_step, make_member
from tests.identity.post import link_in, post
from tests.portal.test_sign_in import enter_password

NEW = "a new and longer password"
CHANGE = {"current": PASSWORD, "password": NEW, "again": NEW}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "ANSWER_SECONDS", 0)
    monkeypatch.setattr("identity.services.sign_in.REFUSAL_SECONDS", 0)


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


def path_in_mailbox(person: Person) -> str:
    return link_in(post(person.world)[-1]).removeprefix(settings.PUBLIC_URL)


def forget(person: Person, **changed: str):
    given = {"workspace": person.world.workspace, "email": person.user.email} | changed
    return Browser().post(reverse("portal:forgotten"), given)


def test_password_is_changed_and_this_browser_stays(alice: Person) -> None:
    here, there = alice.browser(), alice.browser()

    page = here.post(reverse("portal:account_password"), CHANGE, follow=True)

    assert "Your password is changed." in page.content.decode()
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"current": "wrong"}, "current"), ({"again": "other"}, "again"), ({"password": "x", "again": "x"}, "password")],
)
def test_password_form_says_what_to_mend_and_shows_none(alice: Person, changed: dict[str, str], field: str) -> None:
    response = alice.browser().post(reverse("portal:account_password"), CHANGE | changed)

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert NEW not in response.content.decode()
    assert "no-store" in response["Cache-Control"]


def test_wrong_passwords_stay_counted_although_the_answer_is_a_refusal(alice: Person) -> None:
    browser, url = alice.browser(), reverse("portal:account_password")
    for _ in range(FREE + 1):
        browser.post(url, CHANGE | {"current": "wrong"})

    assert browser.post(url, CHANGE).status_code == 422
    with alice.world.acting():
        assert events().filter(kind="identity:password:refuse").count() == FREE


def test_forgotten_password_leads_to_the_second_factor(alice: Person) -> None:
    forget(alice)
    path, browser = path_in_mailbox(alice), Browser()

    page = browser.get(path).content.decode()
    weak = browser.post(path, {"password": "short", "again": "short"})
    done = browser.post(path, {"password": NEW, "again": NEW})
    inside_too_early = browser.get("/").status_code
    fresh_step()
    entered = browser.post(reverse("portal:code"), {"code": alice.code()})

    assert alice.user.email in page
    assert weak.status_code == 422
    assert done["Location"] == reverse("portal:code")
    assert inside_too_early == 302
    assert entered["Location"] == "/"
    assert browser.get(path).status_code == 410


def test_asking_says_the_same_to_everyone(alice: Person) -> None:
    there = forget(alice)
    nobody = forget(alice, email="nobody@x.example")
    nowhere = forget(alice, workspace="nowhere")

    page = there.content.decode().replace(alice.user.email, "X")
    assert page == nobody.content.decode().replace("nobody@x.example", "X")
    assert page == nowhere.content.decode().replace(alice.user.email, "X")
    assert there.status_code == nobody.status_code == nowhere.status_code == 200


def test_email_is_changed_from_the_new_mailbox_and_taken_back_from_the_old(alice: Person) -> None:
    here = alice.browser()
    here.post(reverse("portal:account_email"), {"email": "new@acme.example", "current": PASSWORD})
    confirm = path_in_mailbox(alice)
    opened = Browser().get(confirm).content.decode()
    with alice.world.acting():
        before = User.objects.get(id=alice.id).email
    confirmed = here.post(confirm).content.decode()
    undo = path_in_mailbox(alice)
    Browser().get(undo)
    still_in = here.get("/").status_code
    undone = Browser().post(undo).content.decode()

    assert "new@acme.example" in opened
    assert before == alice.user.email
    assert "E-mail confirmed" in confirmed
    assert (still_in, here.get("/").status_code) == (200, 302)
    assert f"{alice.user.email} is back" in undone
    assert Browser().get(confirm).status_code == Browser().get(undo).status_code == 410


@pytest.mark.parametrize("name", ["link_password", "link_email", "link_email_undo"])
def test_every_link_that_is_not_good_has_one_page(name: str) -> None:
    url = reverse(f"portal:{name}", args=["nothing"])

    answers = [Browser().get(url), Browser().post(url, {"password": NEW, "again": NEW})]

    assert {answer.status_code for answer in answers} == {410}
    assert answers[0].content == answers[1].content


def test_name_is_changed(alice: Person) -> None:
    page = alice.browser().post(reverse("portal:account_name"), {"name": "Alice Adams"}, follow=True)

    assert "Alice Adams" in page.content.decode()


def test_authenticator_is_replaced(alice: Person) -> None:
    browser, url = alice.browser(), reverse("portal:account_authenticator")
    seed = browser.get(url).context["seed"]
    wrong = browser.post(url, {"code": "000000"})
    fresh_step()
    code = f"{totp(base64.b32decode(seed + '=' * (-len(seed) % 8))):06d}"
    done = browser.post(url, {"code": code}, follow=True)

    assert wrong.status_code == 422
    assert wrong.context["seed"] == seed
    assert "Your new authenticator app is in use." in done.content.decode()


def test_what_was_done_is_shown_to_its_owner_and_to_who_may_know(alice: Person) -> None:
    carol = make_member(alice.world, Role.CUSTOMER_VIEWER, name="carol", customer=alice.world.customers[0])
    carol.browser().post(reverse("portal:account_password"), CHANGE)
    alice.browser().post(reverse("portal:person_bind", args=[carol.id]), {"role": "viewer", "customer": ""})

    own = carol.browser().get(reverse("portal:account_history")).content.decode()
    others = alice.browser().get(reverse("portal:person", args=[carol.id])).content.decode()

    for page in (own, others):
        assert "Password changed" in page
        assert "Role given" in page
        assert "127.0.0.1" in page
        assert alice.user.email in page


def test_own_history_is_ones_own(alice: Person) -> None:
    bob = make_member(alice.world, Role.VIEWER, name="bob")
    alice.browser().post(reverse("portal:account_name"), {"name": "Somebody New"})

    assert "Somebody New" not in bob.browser().get(reverse("portal:account_history")).content.decode()


def test_history_is_paged(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msplex.portal.paging.PAGE_ROWS", 2)
    browser, url = alice.browser(), reverse("portal:account_history")
    for number in range(3):
        browser.post(reverse("portal:account_name"), {"name": f"Name {number}"})

    first = browser.get(url).context["page"]
    second = browser.get(f"{url}?{first.older}").context["page"]

    assert len(first.rows) == len(second.rows) == 2
    assert {row.pk for row in first.rows}.isdisjoint(row.pk for row in second.rows)


def test_a_browser_that_signed_in_is_known_from_then_on(alice: Person) -> None:
    browser, stranger = Browser(), Browser()
    fresh_step()
    enter_password(browser, alice)
    browser.post(reverse("portal:code"), {"code": alice.code()})
    cookie = browser.cookies[device_cookie_name()]
    browser.post(reverse("portal:sign_out"))
    for _ in range(FREE + 1):
        enter_password(stranger, alice, password="wrong")

    refused, admitted = enter_password(stranger, alice), enter_password(browser, alice)

    assert cookie["httponly"]
    assert refused.status_code == 422
    assert admitted["Location"] == reverse("portal:code")
