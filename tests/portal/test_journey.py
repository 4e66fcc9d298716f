"""One person's whole time here, in a real browser: from the invitation to the account that is closed.

Two browsers: olivia's, who owns the workspace, and dora's, who comes by mail with a phone that makes passkeys.
"""

import base64
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as deployment
from django.urls import reverse
from django_otp.oath import totp
from playwright.sync_api import BrowserContext, Page, expect

from audit.selectors import events, events_about
from identity.models import User
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD, Person, fresh_step, make_member
from tests.identity.post import link_in, post
from tests.portal.test_passkeys import named, named_url, page, seen  # noqa: F401 - fixtures
from tests.portal.watch import Watched, watch

pytestmark = pytest.mark.browser
EMAIL = "dora@northwind.example"


@pytest.fixture
def olivia(named_url: str, settings) -> Person:  # noqa: F811
    settings.PUBLIC_URL = named_url
    return make_member(make_tenant("northwind"), Role.OWNER, name="olivia")


@pytest.fixture
def desk(chromium, named_url: str, olivia: Person) -> Iterator[Page]:  # noqa: F811
    """Olivia's browser, in which she is signed in."""
    context: BrowserContext = chromium.new_context(base_url=named_url, viewport={"width": 1280, "height": 800})
    value = olivia.browser().cookies[deployment.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": deployment.SESSION_COOKIE_NAME, "value": value, "url": named_url}])
    watched = watch(context.new_page())
    yield watched.page
    context.close()
    assert watched.complaints == []


def test_from_the_invitation_to_the_account_that_is_closed(
    page: Page,  # noqa: F811
    seen: Watched,  # noqa: F811
    desk: Page,
    olivia: Person,
) -> None:
    seen.expected |= {403, 422}
    invite(desk)
    accept(page, link_in(post(olivia.world)[-1]))
    set_up_the_app(page)
    add_a_passkey(page)
    sign_out(page)
    sign_in_with_the_passkey(page, olivia.world)
    assert page.goto(reverse("portal:people")).status == 403

    dora = person(olivia.world)
    promote(desk, dora)
    page.goto(reverse("portal:people"))
    expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    dora.confirmed(ago=timedelta(minutes=16))
    be_challenged_and_go_on(page)

    end_the_session(desk, dora)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in_with_the_passkey(page, olivia.world)

    disable(desk, dora)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    give_password(page, olivia.world)
    expect(page.get_by_text("That did not match.")).to_be_visible()
    assert whatever_was_done_is_told_and_recorded(dora) == []


def invite(desk: Page) -> None:
    desk.goto(reverse("portal:people_invite"))
    desk.get_by_label("E-mail").fill(EMAIL)
    desk.get_by_label("Role").select_option("viewer")
    desk.get_by_role("button", name="Send invitation").click()
    expect(desk.get_by_text(EMAIL).first).to_be_visible()


def accept(page: Page, link: str) -> None:  # noqa: F811
    page.goto(link)
    page.get_by_label("Your name").fill("Dora Diaz")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def set_up_the_app(page: Page) -> None:  # noqa: F811
    seed = page.locator("#seed").inner_text()
    fresh_step()
    page.get_by_label("Code").fill(f"{totp(base64.b32decode(seed + '=' * (-len(seed) % 8))):06d}")
    page.get_by_role("button", name="Confirm and sign in").click()
    expect(page.get_by_role("list", name="Codes").get_by_role("listitem")).to_have_count(10)
    page.get_by_role("link", name="I have stored them").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def add_a_passkey(page: Page) -> None:  # noqa: F811
    page.goto(reverse("portal:sign_in_methods"))
    page.get_by_label("Name", exact=True).last.fill("Phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is there.")).to_be_visible()


def sign_out(page: Page) -> None:  # noqa: F811
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def give_password(page: Page, world: TenantWorld) -> None:  # noqa: F811
    page.get_by_label("Workspace").fill(world.workspace)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def sign_in_with_the_passkey(page: Page, world: TenantWorld) -> None:  # noqa: F811
    give_password(page, world)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def person(world: TenantWorld) -> Person:
    with world.acting():
        return Person(world, User.objects.select_related("principal").get(email=EMAIL))


def promote(desk: Page, dora: Person) -> None:
    desk.goto(reverse("portal:person", args=[dora.id]))
    desk.get_by_label("Role", exact=True).select_option("admin")
    desk.get_by_label("Reason").fill("Runs the night shift")
    desk.get_by_role("button", name="Give role").click()
    expect(desk.get_by_text("Runs the night shift").first).to_be_visible()


def be_challenged_and_go_on(page: Page) -> None:  # noqa: F811
    """Nothing is sent before the factor; then it is the person who sends what waits."""
    page.goto(reverse("portal:people_invite"))
    page.get_by_label("E-mail").fill("emil@northwind.example")
    page.get_by_label("Role").select_option("viewer")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("Nothing was done yet.")).to_be_visible()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("emil@northwind.example").first).to_be_visible()


def end_the_session(desk: Page, dora: Person) -> None:
    desk.goto(reverse("portal:person_sessions", args=[dora.id]))
    desk.get_by_role("button", name="Sign out Chrome").click()
    expect(desk.get_by_text("That session is signed out.")).to_be_visible()


def disable(desk: Page, dora: Person) -> None:
    desk.goto(reverse("portal:person", args=[dora.id]))
    desk.get_by_role("button", name="Disable").click()
    desk.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(desk.get_by_text("is disabled and signed out everywhere.")).to_be_visible()


TOLD = (
    "A passkey was added to your account",
    "You have a new role",
    "You were signed out",
    "Your account was disabled",
)
DONE = (
    "identity:member:create", "identity:mfa:enrol", "identity:passkey:create", "identity:role:bind",
    "identity:mfa:confirm", "identity:session:revoke", "identity:principal:disable",
)  # fmt: skip


def whatever_was_done_is_told_and_recorded(dora: Person) -> list[str]:
    """What is missing."""
    letters = {letter.subject for letter in post(dora.world) if letter.to == [EMAIL]}
    with dora.world.acting():
        about = {event.kind for event in events_about(dora.id)}
        by = {event.kind for event in events().filter(actor_id=dora.id)}
    return [each for each in (*TOLD, *DONE) if each not in letters | about | by]
