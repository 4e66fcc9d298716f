"""The door: two steps, one session, and the set-up of the second factor in between for a newcomer."""

import base64

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse
from django_otp.oath import totp

from identity.models import Session
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, Person, fresh_step, make_member, make_person

REFUSAL = "That did not match. Check the workspace, e-mail and password."


@pytest.fixture(autouse=True)
def _no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals take their time on purpose; here they need not."""
    monkeypatch.setattr("identity.services.sign_in.REFUSAL_SECONDS", 0)


def enter_password(browser: Browser, person: Person, **changed: str):
    given = {"workspace": person.world.workspace, "email": person.user.email, "password": PASSWORD} | changed
    return browser.post(reverse("portal:sign_in"), given)


def sessions(person: Person) -> int:
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id).count()


def test_sign_in_takes_a_password_and_a_code() -> None:
    alice, browser = make_member(make_tenant()), Browser()
    fresh_step()

    first = enter_password(browser, alice)
    after_first = sessions(alice)
    second = browser.post(reverse("portal:code"), {"code": alice.code()})

    assert first["Location"] == reverse("portal:code")
    assert after_first == 0
    assert second["Location"] == "/"
    assert browser.get("/").status_code == 200


def test_password_alone_opens_nothing() -> None:
    alice, browser = make_member(make_tenant()), Browser()

    enter_password(browser, alice)

    assert settings.SESSION_COOKIE_NAME not in browser.cookies
    assert browser.get("/")["Location"].startswith(reverse("portal:sign_in"))


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"workspace": "nowhere"}])
def test_whatever_is_wrong_the_page_is_the_same(wrong: dict[str, str]) -> None:
    alice = make_member(make_tenant())

    response = enter_password(Browser(), alice, **wrong)

    assert response.status_code == 422
    assert REFUSAL in response.content.decode()
    assert PASSWORD not in response.content.decode()


def test_wrong_code_is_refused_beside_the_field() -> None:
    alice, browser = make_member(make_tenant()), Browser()
    enter_password(browser, alice)

    response = browser.post(reverse("portal:code"), {"code": "000000"})

    assert response.status_code == 422
    assert "That code is not valid now." in response.content.decode()
    assert sessions(alice) == 0


def test_recovery_code_lets_in() -> None:
    alice, browser = make_member(make_tenant()), Browser()
    enter_password(browser, alice)

    browser.post(reverse("portal:code"), {"code": alice.recovery_codes[0]})

    assert "9 of 10 left" in browser.get(reverse("portal:account")).content.decode()


def test_newcomer_sets_up_the_second_factor_and_gets_recovery_codes_once() -> None:
    carol, browser = make_person(make_tenant()), Browser()

    first = enter_password(browser, carol)
    page = browser.get(reverse("portal:enrol"))
    seed = page.context["seed"]
    code = f"{totp(base64.b32decode(seed + '=' * (-len(seed) % 8))):06d}"
    done = browser.post(reverse("portal:enrol"), {"code": code})

    assert first["Location"] == reverse("portal:enrol")
    assert "data:image/svg+xml" in page.content.decode()
    assert len(done.context["codes"]) == 10
    assert all(code in done.content.decode() for code in done.context["codes"])
    assert "no-store" in done["Cache-Control"]
    assert browser.get("/").status_code == 200


def test_second_step_without_the_first_goes_back(client: Browser) -> None:
    for room in ("code", "enrol"):
        assert client.get(reverse(f"portal:{room}"))["Location"] == reverse("portal:sign_in")
        assert client.post(reverse(f"portal:{room}"), {"code": "123456"})["Location"] == reverse("portal:sign_in")


def test_enrolled_person_cannot_set_up_another_factor_with_a_password() -> None:
    alice, browser = make_member(make_tenant()), Browser()
    enter_password(browser, alice)

    assert browser.get(reverse("portal:enrol"))["Location"] == reverse("portal:sign_in")


@pytest.mark.parametrize(
    ("wanted", "reached"), [("/calls/", "/calls/"), ("https://evil.example/", "/"), ("//evil.example", "/")]
)
def test_sign_in_leads_back_to_our_own_pages_only(wanted: str, reached: str) -> None:
    alice, browser = make_member(make_tenant()), Browser()
    fresh_step()
    browser.get(reverse("portal:sign_in"), {"next": wanted})
    enter_password(browser, alice)

    assert browser.post(reverse("portal:code"), {"code": alice.code()})["Location"] == reached


def test_sign_out_ends_the_session_for_every_copy_of_the_cookie() -> None:
    alice = make_member(make_tenant())
    browser, copy = alice.browser(), Browser()
    copy.cookies[settings.SESSION_COOKIE_NAME] = browser.cookies[settings.SESSION_COOKIE_NAME].value

    response = browser.post(reverse("portal:sign_out"))

    assert response["Location"] == reverse("portal:sign_in")
    assert copy.get("/").status_code == 302


def test_signed_in_person_is_not_asked_again() -> None:
    assert make_member(make_tenant()).browser().get(reverse("portal:sign_in"))["Location"] == "/"


def test_sign_in_refuses_a_form_without_its_token() -> None:
    alice = make_member(make_tenant())

    response = enter_password(Browser(enforce_csrf_checks=True), alice)

    assert response.status_code == 403
    assert "csrf_refused" in response.content.decode()


def test_new_recovery_codes_replace_the_old() -> None:
    alice, browser = make_member(make_tenant()), Browser()

    page = alice.browser().post(reverse("portal:recovery_codes"))
    enter_password(browser, alice)
    old = browser.post(reverse("portal:code"), {"code": alice.recovery_codes[0]})

    assert len(page.context["codes"]) == 10
    assert "no-store" in page["Cache-Control"]
    assert old.status_code == 422


@pytest.mark.parametrize(("choice", "kept"), [("dark", "dark"), ("light", "light"), ("auto", ""), ("<x>", "")])
def test_theme_is_kept_in_a_cookie_and_drawn_by_the_server(choice: str, kept: str) -> None:
    browser = make_member(make_tenant()).browser()

    browser.post(reverse("portal:theme"), {"theme": choice})
    page = browser.get("/").content.decode()

    assert (f'data-theme="{kept}"' in page) is bool(kept)
    assert "<x>" not in page
