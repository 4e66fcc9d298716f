"""Password and second factor open the dashboard; the password alone does not; signing out ends it."""

from typing import Any

from msplex.runtime.smoke.browser import Browser, Page
from msplex.runtime.smoke.proof import expect, totp
from msplex.runtime.world import World

_OK = 200
_SESSION = "msplex_session"


def portal_sign_in(world: World) -> dict[str, Any]:
    tenant = world.demo["tenants"][0]
    person = next(person for person in tenant["people"] if person["role"] == "owner")
    browser = Browser()

    second = _password(browser, world, tenant["workspace"], person)
    expect(_SESSION not in _cookies(browser), "the password alone opened a session")
    expect(
        browser.get(world.portal + "/").address != world.portal + "/", "the dashboard opened without a second factor"
    )

    dashboard = browser.submit(second, code=totp(person["totp_secret"]))
    expect(_SESSION in _cookies(browser), f"no session after the code; {_where(dashboard)}")
    expect(dashboard.status == _OK and person["email"] in dashboard.text, f"no dashboard; {_where(dashboard)}")

    browser.submit(dashboard, to="sign-out")
    expect(browser.get(world.portal + "/").address != world.portal + "/", "the dashboard opened after signing out")
    return {"workspace": tenant["workspace"], "role": person["role"], "password_alone": "refused", "signed_out": True}


def _password(browser: Browser, world: World, workspace: str, person: dict[str, str]) -> Page:
    page = browser.get(world.portal + "/")
    expect(page.status == _OK, f"no sign-in page; {_where(page)}")
    page = browser.submit(page, workspace=workspace, email=person["email"], password=person["password"])
    expect(page.status == _OK, f"the password was not taken; {_where(page)}")
    return page


def _cookies(browser: Browser) -> set[str]:
    return {cookie.name for cookie in browser.cookies}


def _where(page: Page) -> str:
    return f"{page.address} answered {page.status}"
