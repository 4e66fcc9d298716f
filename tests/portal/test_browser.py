"""What a person sees and does, in a real browser."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from connectors.models import ConnectorInstance
from connectors.services import check_health
from identity.roles import Role
from identity.services import create_customer
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.vendor import StubVendor
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, fresh_step, make_member, make_person
from tests.portal.factories import Furnished, furnish, make_call
from tests.portal.pages import every_page
from tests.portal.watch import Watched, barriers, overflow

pytestmark = pytest.mark.browser
LONG = "Bright Harbour Accounting and Bookkeeping Partnership of the North East and Neighbouring Counties Ltd"


@pytest.fixture(scope="module")
def acme(_database: None) -> Furnished:
    it = furnish("acme")
    with it.world.acting():
        create_customer(name=LONG, key="bright-harbour", by=SETUP)
        create_customer(name="X" * 200, key="x", by=SETUP)
    make_person(it.world, Role.VIEWER, name="with-a-very-long-name-that-does-not-fit-a-phone")
    return it


def sign_in(page: Page, person: Person) -> None:
    page.goto("/")
    page.get_by_label("Workspace").fill(person.world.workspace)
    page.get_by_label("E-mail").fill(person.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    fresh_step()
    page.get_by_label("Code").fill(person.code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def broker_checks(world: TenantWorld, settings) -> None:
    """What the broker's process does with the task that the portal sent."""
    with world.acting():
        instance = ConnectorInstance.objects.get()
    settings.MSPLEX_PROCESS = "broker"
    with as_role("broker"), acting_for(Context(world.id)):
        check_health(instance.id)
    settings.MSPLEX_PROCESS = "command"


def test_from_the_door_to_a_working_connection_and_a_secret(page: Page, vendor: StubVendor, settings, context) -> None:
    alice = make_member(make_tenant(), Role.OWNER)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    client_id, secret = vendor.account(11, 12, 13)

    sign_in(page, alice)
    expect(page.get_by_role("heading", name="Get to the first call")).to_be_visible()
    page.get_by_role("link", name="Connectors").first.click()
    page.get_by_role("link", name="Set up HaloPSA").click()
    page.get_by_label("Name").fill("Service desk")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Address").fill(vendor.url)
    page.get_by_label("Client ID", exact=True).fill(client_id)
    page.get_by_label("Client secret").fill(secret)
    page.get_by_role("button", name="Save and check").click()
    expect(page.get_by_text("A check is asked for.")).to_be_visible()
    broker_checks(alice.world, settings)
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Its tools are listed to agents for every mapped customer.")).to_be_visible()
    assert secret not in page.content()

    page.get_by_role("link", name="Clients and customers").click()
    page.get_by_label("Customer", exact=True).select_option(label=alice.world.customers[0].name)
    page.get_by_label("HaloPSA client id").fill("11")
    page.get_by_role("button", name="Map customer").click()
    page.get_by_role("link", name="Mapped 1", exact=True).click()
    expect(page.get_by_role("cell", name="11", exact=True)).to_be_visible()

    page.get_by_role("link", name="Service accounts").click()
    page.get_by_role("link", name="New service account").click()
    page.get_by_label("Name").fill("triage-agent")
    page.get_by_label("Purpose").fill("Sorts the tickets of the night")
    page.get_by_label("Role").select_option("operator")
    page.get_by_label(alice.world.customers[0].name).check()
    page.get_by_role("button", name="Create and show the secret").click()
    shown = page.locator("#client-secret").inner_text()
    page.get_by_role("button", name="Copy").nth(1).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.get_by_role("link", name="I have stored the secret").click()
    expect(page.get_by_role("heading", name="triage-agent", level=1)).to_be_visible()
    assert shown not in page.content()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(acme: Furnished, page: Page, as_person, scheme: str) -> None:
    as_person(acme.owner)
    page.emulate_media(color_scheme=scheme)
    found = {}
    for name, url in every_page(acme).items():
        page.goto(url)
        found[name] = barriers(page)

    assert {name: list_ for name, list_ in found.items() if list_} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_door_and_error_pages_have_no_barrier(page: Page, watched: Watched, scheme: str) -> None:
    watched.expected |= {404, 422}
    page.emulate_media(color_scheme=scheme)
    page.goto(reverse("portal:sign_in"))
    door = barriers(page)
    page.goto("/nothing-here/")

    assert door + barriers(page) == []


@pytest.mark.parametrize("width", [360, 768])
def test_no_page_is_wider_than_its_window(acme: Furnished, page: Page, as_person, width: int) -> None:
    as_person(acme.owner)
    page.set_viewport_size({"width": width, "height": 740})
    wide = {}
    for name, url in every_page(acme).items():
        page.goto(url)
        wide[name] = overflow(page)

    assert {name: pixels for name, pixels in wide.items() if pixels} == {}


def test_calls_on_a_phone_hold_together(page: Page, as_person) -> None:
    """Nothing empty is shown, and what belongs together stands in one line."""
    it = furnish("globex")
    make_call(it.world, state="unknown", rows_returned=None, rows_dropped=None, tool="halopsa_slow")
    as_person(it.owner)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(reverse("portal:calls"))
    cells = page.locator("#calls tbody td:visible")
    call = page.get_by_role("row", name="halopsa_list_tickets Succeeded")
    rows, state = call.locator("[data-label=Rows]"), call.locator(".badge")

    assert [text for text in cells.all_inner_texts() if text.strip() in {"", "-"}] == []
    assert rows.inner_text() == "7 (2 withheld)"
    assert rows.bounding_box()["height"] < 1.5 * state.bounding_box()["height"]
    assert abs(state.bounding_box()["y"] - call.get_by_role("link").bounding_box()["y"]) < 8


def test_menu_opens_and_closes_on_a_phone(acme: Furnished, page: Page, as_person) -> None:
    as_person(acme.owner)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    link = page.get_by_role("navigation", name="Places").get_by_role("link", name="Customers")

    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    link.click()
    expect(page.get_by_role("heading", name="Customers", level=1)).to_be_visible()


def test_keyboard_alone_reaches_the_page_and_filters_it(acme: Furnished, page: Page, as_person) -> None:
    as_person(acme.owner)
    page.goto(reverse("portal:customers"))

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="New customer")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("bright")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_label("Search")).to_be_focused()
    expect(page).to_have_url(re.compile("q=bright"))


def test_first_view_is_light(acme: Furnished, watched: Watched, as_person) -> None:
    as_person(acme.owner)
    watched.page.goto("/", wait_until="networkidle")

    assert 10_000 < watched.compressed() < 100_000


def test_question_is_asked_before_what_is_hard_to_take_back(page: Page, as_person) -> None:
    it = furnish("globex")
    as_person(it.owner)
    page.goto(reverse("portal:service_account", args=[it.machine.id]))

    page.get_by_role("button", name="Disable").click()
    question = page.get_by_role("dialog")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    page.get_by_role("button", name="Disable").click()
    question.get_by_role("button", name="Disable").click()

    expect(page.get_by_text("is disabled. Its tokens are refused")).to_be_visible()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()


def test_focus_is_visible(acme: Furnished, page: Page, as_person) -> None:
    as_person(acme.owner)
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")

    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")

    assert outline == "solid"


def test_filtered_list_comes_back_with_the_back_button(acme: Furnished, page: Page, as_person) -> None:
    as_person(acme.owner)
    page.goto(reverse("portal:calls"))
    rows = page.get_by_role("row")
    expect(rows).to_have_count(3)

    page.get_by_label("Gate").select_option("evaluate_policy")
    expect(rows).to_have_count(2)
    page.go_back()

    expect(rows).to_have_count(3)


def test_theme_is_there_before_the_page_is_drawn(acme: Furnished, page: Page, as_person) -> None:
    as_person(acme.owner)
    page.emulate_media(color_scheme="light")
    page.goto(reverse("portal:account"))

    page.get_by_role("button", name="Dark").click()

    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert 'data-theme="dark"' in page.request.get("/").text()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"


def test_pages_work_without_scripts(acme: Furnished, chromium, portal_url: str) -> None:
    plain = chromium.new_context(base_url=portal_url, java_script_enabled=False)
    page = plain.new_page()
    sign_in(page, make_member(acme.world, Role.VIEWER, name="dave"))

    page.goto(reverse("portal:calls"))
    page.get_by_label("Gate").select_option("evaluate_policy")
    page.get_by_role("button", name="Filter").click()

    expect(page.get_by_role("row")).to_have_count(2)
    plain.close()
