"""Pictures of grants that hosts hold, in every state, and of nothing (tests/portal/test_pictures.py)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from tests.identity.factories import Person
from tests.portal import test_pictures
from tests.portal.factories import Furnished
from tests.portal.hosts import make_asked, make_grant, make_host_agent, make_use
from tests.portal.test_pictures import LONG_NAME, LOOKS, _dress, _picture

northwind, tailspin, pytestmark = test_pictures.northwind, test_pictures.tailspin, test_pictures.pytestmark


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_grants(page: Page, northwind: Furnished, as_person, look: str) -> None:
    world, now = northwind.world, datetime.now(UTC)
    asked = make_asked(world, "SRV-DC01", arguments={"ticket_id": 11003, "status_id": 9, "look": look})
    held = make_grant(world, f"SRV-FILES-{look}", refused_because="no_action: Nothing is configured here for it.")
    used = make_grant(world, f"SRV-APP-{look}", state="used", used=2)
    make_use(used, world, call_id=northwind.call.pk)
    make_use(used, world, number=2, finding="after_revocation", outcome="unknown", call_id=northwind.call.pk)
    revoked = make_grant(
        world, LONG_NAME[:80] + look, state="revoked", revoked_at=now, revoked_by="Bob", revoked_because="Not needed"
    )
    make_grant(world, f"SRV-OLD-{look}", state="expired", not_after=now + timedelta(minutes=1))
    make_host_agent(world, f"SRV-NEW-{look}", enrolled=False)
    as_person(northwind.owner)
    _dress(page, look)
    pages = {"held": held, "used": used, "revoked": revoked}
    for name, grant in pages.items():
        page.goto(reverse("portal:grant", args=[grant.pk]))
        _picture(page, f"grant-{name}", look)
    for name in ("grants", "grant_new", "host_agents"):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, name, look)
    page.goto(reverse("portal:approval", args=[asked.pk]))
    _picture(page, "grant-asked", look)
    page.goto(reverse("portal:host_agents"))
    page.get_by_label("Customer").select_option(index=1)
    page.get_by_label("Host", exact=True).fill(f"SRV-ADDED-{look}")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(re.compile("/host-agents/add/"))
    _picture(page, "host-agent-code", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_no_grants(page: Page, tailspin: Person, as_person, look: str) -> None:
    as_person(tailspin)
    _dress(page, look)
    for name in ("grants", "grant_new", "host_agents"):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, f"empty-{name}", look)
