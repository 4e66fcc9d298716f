"""Passkeys in a real browser, with Chromium's virtual authenticator; and what the pages say when there is none."""

from collections.abc import Iterator

import pytest
from django.conf import settings as deployment
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from identity.models import Passkey, Session
from identity.roles import Role
from identity.services import set_security_policy
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, make_member, make_person
from tests.portal.watch import Watched, barriers, watch

pytestmark = pytest.mark.browser
DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def named_url(portal_url: str, settings) -> str:
    """Browsers make passkeys for names, not for bare addresses."""
    url = portal_url.replace("127.0.0.1", "localhost")
    settings.OTP_WEBAUTHN_RP_ID = "localhost"
    settings.OTP_WEBAUTHN_ALLOWED_ORIGINS = [url]
    return url


@pytest.fixture
def named(chromium, named_url: str) -> Iterator[BrowserContext]:
    opened = chromium.new_context(base_url=named_url, viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def seen(named: BrowserContext) -> Iterator[Watched]:
    watched = watch(named.new_page())
    yield watched
    assert watched.complaints == []


@pytest.fixture
def page(seen: Watched) -> Page:
    """With a device that has a fingerprint reader."""
    cdp = seen.page.context.new_cdp_session(seen.page)
    cdp.send("WebAuthn.enable")
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return seen.page


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


def allow_passkeys(person: Person) -> None:
    with person.world.acting():
        set_security_policy(idle_minutes=60, session_minutes=720, passkey_sign_in=True, by=SETUP)


def enter(page: Page, person: Person, url: str) -> None:
    value = person.browser().cookies[deployment.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": deployment.SESSION_COOKIE_NAME, "value": value, "url": url}])


def add_passkey(page: Page, name: str) -> None:
    page.goto(reverse("portal:sign_in_methods"))
    page.get_by_label("Name", exact=True).last.fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is there.")).to_be_visible()
    expect(page.get_by_text(name, exact=True).first).to_be_visible()


def give_password(page: Page, person: Person) -> None:
    page.goto(reverse("portal:sign_in"))
    page.get_by_label("Workspace").fill(person.world.workspace)
    page.get_by_label("E-mail").fill(person.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def latest_method(person: Person) -> str:
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id).order_by("-id")[0].mfa_method


def test_passkey_is_added_used_as_second_factor_and_removed(page: Page, alice: Person, named_url: str) -> None:
    enter(page, alice, named_url)
    add_passkey(page, "Work laptop")
    assert barriers(page) == []
    sign_out(page)

    give_password(page, alice)
    assert barriers(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert latest_method(alice) == "passkey"

    page.goto(reverse("portal:sign_in_methods"))
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Old laptop")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Old laptop", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="No passkey yet")).to_be_visible()
    with alice.world.acting():
        assert not Passkey.objects.exists()


def test_passkey_in_place_of_the_password_where_it_is_allowed(page: Page, alice: Person, named_url: str) -> None:
    enter(page, alice, named_url)
    add_passkey(page, "Phone")
    sign_out(page)

    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").get_by_text("asks for the password first")).to_be_visible()
    allow_passkeys(alice)
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert latest_method(alice) == "passkey"


def test_newcomer_starts_with_a_passkey_and_no_app(page: Page) -> None:
    carol = make_person(make_tenant())
    allow_passkeys(carol)

    give_password(page, carol)
    page.get_by_role("button", name="Set up a passkey").click()

    expect(page.get_by_role("heading", name="You are in. Keep these codes")).to_be_visible()
    expect(page.get_by_role("list", name="Codes").get_by_role("listitem")).to_have_count(10)
    page.get_by_role("link", name="I have stored them").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_keyboard_alone_signs_in(page: Page, alice: Person, named_url: str) -> None:
    enter(page, alice, named_url)
    add_passkey(page, "Key")
    sign_out(page)
    give_password(page, alice)
    button = page.get_by_role("button", name="Use a passkey")
    expect(button).to_be_visible()

    for _ in range(5):
        page.keyboard.press("Shift+Tab")
        if button.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_a_device_that_has_no_passkey_for_us_is_said_so(page: Page) -> None:
    page.goto(reverse("portal:sign_in"))
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.disable")
    cdp.send("WebAuthn.enable")
    strict = DEVICE | {"isUserVerified": False, "automaticPresenceSimulation": True}
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": strict})

    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("alert")).to_have_text(
        "Nothing was sent: it was cancelled, or it took too long. Try again."
    )
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_focused()


def test_a_browser_without_passkeys_is_told_so(named: BrowserContext) -> None:
    page = named.new_page()
    page.add_init_script("delete window.PublicKeyCredential")

    page.goto(reverse("portal:sign_in"))

    expect(page.get_by_role("alert")).to_contain_text("This browser has no passkeys.")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_disabled()


def test_at_a_bare_address_the_page_says_why_it_cannot_work(chromium, portal_url: str) -> None:
    context = chromium.new_context(base_url=portal_url)
    page = context.new_page()
    page.goto(reverse("portal:sign_in"))

    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("Passkeys do not work at this address.")
    context.close()


def test_without_scripts_the_server_says_what_is_missing() -> None:
    answered = Client().post(reverse("portal:passkey"), {}, follow=True).content.decode()

    assert "The browser sent no passkey." in answered


@pytest.mark.parametrize("room", ["code_passkey", "enrol_passkey"])
def test_second_step_without_the_first_goes_back(room: str) -> None:
    assert Client().post(reverse(f"portal:{room}_options")).status_code == 409
    assert Client().post(reverse(f"portal:{room}"), {"state": "x", "answer": "{}"}).status_code == 302


def test_a_session_is_ended_from_another(page: Page, alice: Person, named_url: str) -> None:
    other = alice.browser()
    enter(page, alice, named_url)
    page.goto(reverse("portal:account_sessions"))
    expect(page.get_by_text("this one", exact=True)).to_have_count(1)

    page.get_by_role("button", name="Sign out Unknown browser").click()

    expect(page.get_by_text("That session is signed out.")).to_be_visible()
    expect(page.get_by_text(f"by {alice.user.email}")).to_be_visible()
    assert other.get("/").status_code == 302
    assert barriers(page) == []


def test_limits_are_set_in_the_portal_and_bounded(page: Page, seen: Watched, alice: Person, named_url: str) -> None:
    seen.expected |= {422}
    enter(page, alice, named_url)
    page.goto(reverse("portal:security"))
    page.get_by_label("Sign out when not used for").fill("15")
    page.get_by_label("also in place of password and code").check()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Sign out when not used for")).to_have_value("15")
    answered = alice.browser().post(
        reverse("portal:security"), {"idle_minutes": 61, "session_minutes": 720, "passkey_sign_in": "False"}
    )
    assert answered.status_code == 422
    assert "less than or equal to 60" in answered.content.decode()
