"""The page about agents and its twin in the API: whose are shown, and who may end them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.models import AgentSession
from identity.roles import Role
from identity.services import reset_factors
from tests.factories import make_tenant
from tests.identity.factories import SETUP
from tests.oauth.flow import McpClient, bob


def connected(person, name="Claude Code"):
    McpClient.registered(name).tokens(person, person.world.customers[0])
    with person.world.acting():
        return AgentSession.objects.filter(user=person.user).latest("id")


def listed(browser) -> list[str]:
    return [row["client"] for row in browser.get("/api/v1/agents/").json()["results"]]


def test_everybody_sees_their_own_and_admins_see_all():
    person = bob()
    admin, viewer, stranger = bob(person.world, Role.ADMIN), bob(person.world, Role.VIEWER), bob(make_tenant("globex"))
    connected(person)

    assert listed(person.browser()) == listed(admin.browser()) == ["Claude Code"]
    assert listed(viewer.browser()) == listed(stranger.browser()) == []
    for someone, sees in ((person, True), (admin, True), (viewer, False), (stranger, False)):
        assert (b"Claude Code" in someone.browser().get("/agents/").content) is sees


def test_a_session_whose_code_was_never_exchanged_is_not_shown():
    person = bob()
    McpClient.registered().code(person, person.world.customers[0])

    assert listed(person.browser()) == []


@pytest.mark.parametrize("path", ["/agents/{}/end/", "/api/v1/agents/{}/end/"])
def test_the_person_and_admins_end_it_and_nobody_else_finds_it(path):
    person = bob()
    admin, viewer, stranger = bob(person.world, Role.ADMIN), bob(person.world, Role.VIEWER), bob(make_tenant("globex"))
    first, second = connected(person), connected(person, "Other")

    for someone in (viewer, stranger):
        assert someone.browser().post(path.format(first.pk)).status_code == 404
    assert len(listed(person.browser())) == 2
    assert person.browser().post(path.format(first.pk)).status_code in {204, 302}
    assert admin.browser().post(path.format(second.pk)).status_code in {204, 302}

    assert listed(person.browser()) == []
    with person.world.acting():
        assert sorted(AgentSession.objects.values_list("ended_because", flat=True)) == ["admin", "person"]


def test_the_list_costs_the_same_for_one_and_three():
    person = bob()
    connected(person)

    def queries() -> int:
        browser = person.browser()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert browser.get("/agents/").status_code == 200
        return len(captured)

    one = queries()
    connected(person, "Second")
    connected(person, "Third")
    assert queries() == one


def test_the_api_says_for_whom_and_for_which_customer():
    person = bob()
    session = connected(person)

    row = person.browser().get(f"/api/v1/agents/{session.pk}/").json()

    assert (row["user"], row["user_email"]) == (str(person.id), person.user.email)
    assert (row["customer"], row["cross_customer"]) == (str(person.world.customers[0].pk), False)
    assert row["scope"] == "gateway:tool:read gateway:tool:write"
    assert row["published_by"] == ""
    assert row["last_used_at"]


def test_what_a_withdrawal_has_ended_is_not_shown_as_connected():
    person = bob()
    connected(person)
    with person.world.acting():
        reset_factors(person.user, by=SETUP)

    assert listed(person.browser()) == []
