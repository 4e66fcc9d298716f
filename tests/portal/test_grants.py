"""Asking for grants that hosts hold, in the portal and over the API: what it takes, and what people are shown."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from approvals.held.models import HeldGrant, HostAgent
from approvals.models import ApprovalRequest, ToolRule
from identity.roles import Role
from tests.connectors.factories import connect
from tests.factories import TenantWorld
from tests.identity.factories import Person, make_machine, make_member
from tests.portal.hosts import make_asked, make_grant, make_host_agent, make_use

API = "/api/v1/pre-issued-grants/"


@pytest.fixture
def world(vendor) -> TenantWorld:
    return connect(vendor).tenant


@pytest.fixture
def alice(world) -> Person:
    return make_member(world, Role.ADMIN)


@pytest.fixture
def agent(world) -> HostAgent:
    return make_host_agent(world)


def given(agent: HostAgent, **changed: Any) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(hours=9)
    values = {
        "agent": str(agent.pk), "tool": "halopsa_add_note", "arguments": '{"ticket_id": 11003, "note": "Restarted"}',
        "heartbeat_lost_minutes": "5", "not_after": f"{until:%Y-%m-%dT%H:%M}", "uses": "1", "reason": "Nights",
    }  # fmt: skip
    return values | changed


def asked(world: TenantWorld) -> list[ApprovalRequest]:
    with world.acting():
        return list(ApprovalRequest.objects.order_by("id"))


def post(browser: Client, values: dict[str, Any]) -> Any:
    return browser.post(reverse("portal:grant_new"), values)


def test_asking_takes_the_askers_own_next_code_and_leaves_a_request_with_its_terms(world, alice, agent) -> None:
    browser = alice.browser()

    refused = post(browser, given(agent, code="000000"))
    assert (refused.status_code, asked(world)) == (422, [])
    assert "not accepted" in refused.content.decode()
    assert post(browser, given(agent)).status_code == 422  # none at all
    taken = post(browser, given(agent, code=alice.code()))

    [request] = asked(world)
    assert taken.headers["Location"] == reverse("portal:approval", args=[request.pk])
    assert (request.terms["agent"], request.terms["heartbeat_lost_minutes"]) == (str(agent.pk), 5)
    assert (request.requester_id, request.need) == (alice.id, 1)
    shown = browser.get(taken.headers["Location"]).content.decode()
    assert "the agent on SRV-DC01, in advance" in shown
    assert "more than 5 minutes without contact" in shown


def test_a_form_that_has_to_be_mended_spends_no_code(world, alice, agent) -> None:
    browser, code = alice.browser(), alice.code()

    for changed in ({"heartbeat_lost_minutes": ""}, {"tool": "halopsa_nothing"}, {"arguments": '{"ticket_id": "x"}'}):
        assert post(browser, given(agent, code=code, **changed)).status_code == 422

    assert post(browser, given(agent, code=code)).status_code == 302


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"not_after": "2020-01-01T00:00"}, "has to end after"),
        ({"not_after": "2040-01-01T00:00"}, "31 days"),
        ({"uses": "11"}, "less than or equal to 10"),
        ({"reason": " "}, "required"),
        ({"arguments": '{"ticket_id": 1, "note": "x", "password": "y"}'}, "looks like a secret"),
        ({"heartbeat_lost_minutes": ""}, "Say when it may be used"),
    ],
)
def test_what_cannot_be_meant_is_said_beside_its_field(world, alice, agent, changed, said) -> None:
    answer = post(alice.browser(), given(agent, code=alice.code(), **changed))

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert asked(world) == []


def test_the_policy_says_how_many_and_what_it_refuses_is_refused(world, alice, agent) -> None:
    with world.acting():
        rule = ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3)
    post(alice.browser(), given(agent, code=alice.code()))
    assert asked(world)[0].need == 3
    with world.acting():
        rule.delete()
        ToolRule.objects.create(position=1, name="Never", effect="refuse")

    other = make_member(world, Role.ADMIN, name="other")
    assert "Never" in post(other.browser(), given(agent, code=other.code())).content.decode()


def test_what_the_policy_would_let_run_still_needs_somebody_else(world, alice, agent) -> None:
    with world.acting():
        ToolRule.objects.create(position=1, name="All", effect="allow")

    post(alice.browser(), given(agent, code=alice.code()))

    assert [request.need for request in asked(world)] == [1]


def test_an_agent_that_is_revoked_or_not_enrolled_cannot_be_chosen(world, alice, agent) -> None:
    waiting = make_host_agent(world, "SRV-2", enrolled=False)

    assert post(alice.browser(), given(waiting, code=alice.code())).status_code == 422
    assert asked(world) == []


def body(agent: HostAgent, **changed: Any) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(hours=9)
    values = {
        "agent": str(agent.pk), "tool": "halopsa_add_note", "arguments": {"ticket_id": 11003, "note": "x"},
        "heartbeat_lost_minutes": 5, "critical_alert": True, "not_after": until.isoformat(), "reason": "Nights",
        "required_approvers": 2,
    }  # fmt: skip
    return values | changed


def test_over_the_api_the_code_is_a_header_and_a_token_has_none(world, alice, agent) -> None:
    browser = alice.browser()

    assert browser.post(API, body(agent), "application/json").json()["code"] == "vote_refused"
    answer = browser.post(API, body(agent), "application/json", headers={"X-TOTP-Code": alice.code()})
    assert (answer.status_code, answer.json()["need"]) == (201, 2)
    machine = make_machine(world).api()
    refused = machine.post(API, body(agent), "application/json", headers={"X-TOTP-Code": "123456"})
    assert refused.status_code == 403
    assert len(asked(world)) == 1


def test_who_may_not_write_may_not_ask_and_who_did_not_ask_or_decide_may_not_revoke(world, alice, agent) -> None:
    viewer, grant = make_member(world, Role.VIEWER, name="v").browser(), make_grant(world)

    assert post(viewer, given(agent)).status_code == 403
    assert viewer.post(reverse("portal:grant_revoke", args=[grant.pk]), {"reason": "x"}).status_code == 403
    assert alice.browser().post(reverse("portal:grant_revoke", args=[grant.pk]), {"reason": " "}).status_code == 422
    assert alice.browser().post(reverse("portal:grant_revoke", args=[grant.pk]), {"reason": "Over"}).status_code == 302
    with world.acting():
        now = HeldGrant.objects.get(id=grant.pk)
    assert (now.state, now.revoked_because) == ("revoked", "Over")


def test_the_page_says_that_a_host_which_was_not_told_may_still_use_it(world, alice) -> None:
    grant = make_grant(world)
    browser, url = alice.browser(), reverse("portal:grant", args=[grant.pk])
    make_use(grant, world, finding="after_revocation", call_id=UUID(int=5))
    browser.post(reverse("portal:grant_revoke", args=[grant.pk]), {"reason": "Over"})

    shown = browser.get(url).content.decode()
    assert "has not been told yet and may still use it" in shown
    assert "after revocation" in shown.lower()
    with world.acting():
        HeldGrant.objects.filter(id=grant.pk).update(told_at=datetime.now(UTC))
    assert "The host knows since" in browser.get(url).content.decode()
    api = browser.get(f"{API}{grant.pk}/").json()
    assert (api["state"], api["fired"][0]["finding"]) == ("revoked", "after_revocation")
    assert "token" not in api


def test_a_host_agent_is_added_with_a_code_that_is_shown_once(world, alice) -> None:
    browser, url = alice.browser(), reverse("portal:host_agent_add")

    answer = browser.post(url, {"customer": str(world.customers[0].pk), "name": "SRV-9"})
    with world.acting():
        agent = HostAgent.objects.get(asset__name="SRV-9")
    assert f"{agent.client_id}." in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert agent.client_id not in browser.get(reverse("portal:host_agents")).content.decode()
    again = browser.post(url, {"customer": str(world.customers[0].pk), "name": "SRV-9"})
    assert again.status_code == 422
    anew = browser.post(reverse("portal:host_agent_code", args=[agent.pk]))
    assert f"{agent.client_id}." in anew.content.decode()
    browser.post(reverse("portal:host_agent_revoke", args=[agent.pk]))
    with world.acting():
        assert HostAgent.objects.get(id=agent.pk).state == "revoked"


def test_adding_one_takes_a_recent_second_factor(world, alice) -> None:
    browser = alice.browser()
    alice.confirmed(ago=timedelta(minutes=16))

    answer = browser.post(reverse("portal:host_agent_add"), {"customer": str(world.customers[0].pk), "name": "SRV-9"})

    assert answer.status_code in {302, 403}
    with world.acting():
        assert not HostAgent.objects.exists()


def test_the_program_can_be_had_from_the_portal() -> None:
    answer = Client().get("/.well-known/msplex_agent.py")

    assert answer.status_code == 200
    assert b"Holds grants that MSPlex has issued in advance" in answer.content


def test_a_request_for_a_grant_is_in_the_inbox_like_every_other(world, alice) -> None:
    request = make_asked(world)

    assert str(request.pk) in alice.browser().get(reverse("portal:approvals")).content.decode()
