"""A person's agent at the gateway: their roles, one customer, no more scopes than the token has."""

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import Event
from connectors.models import ToolCall
from identity.roles import Role
from identity.tokens import read_access_token
from tests.connectors.factories import connect
from tests.gateway.door import Door, refusal
from tests.oauth.flow import McpClient, bob

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


@pytest.fixture
def world(vendor):
    return connect(vendor)


def agent(gateway_url, person, customer, **changes):
    return Door(gateway_url, McpClient.registered().tokens(person, customer, **changes)["access_token"])


def test_an_agent_acts_for_the_chosen_customer_only(gateway_url, world):
    person = bob(world.tenant)
    one, other = world.tenant.customers[:2]
    door = agent(gateway_url, person, one)

    answer = door.call(LIST, limit=2)
    refused = door.call(LIST, customer=other.key)

    assert answer["structuredContent"]["count"] == 2
    assert refusal(refused)["code"] == "customer_not_in_scope"
    assert LIST in door.tools()


def test_a_cross_customer_agent_names_one_in_each_call(gateway_url, world):
    person = bob(world.tenant)
    door = agent(gateway_url, person, None)

    assert refusal(door.call(LIST))["code"] == "customer_required"
    assert door.call(LIST, customer=world.tenant.customers[1].key)["structuredContent"]["count"] > 0


def test_the_call_and_its_record_name_the_agent_and_the_person(gateway_url, world):
    person = bob(world.tenant)
    door = agent(gateway_url, person, world.tenant.customers[0])
    session = read_access_token(door.token, audience=settings.GATEWAY_RESOURCE).agent_session_id

    door.call(LIST, limit=2)

    with world.tenant.acting():
        call = ToolCall.objects.get()
        recorded = list(Event.objects.filter(subject_id=call.pk))
    assert (call.principal_kind, call.principal_id, call.agent_session_id) == ("agent", person.id, session)
    assert len(recorded) == 2
    for event in recorded:
        assert (event.actor_kind, event.actor_id) == ("agent", session)
        assert f'"on_behalf_of":{{"id":"{person.id}","kind":"user"}}' in bytes(event.header).decode()


def test_what_the_token_lacks_is_asked_for_in_one_challenge(gateway_url, world):
    person = bob(world.tenant)
    door = agent(gateway_url, person, world.tenant.customers[0], scope="gateway:tool:write")

    answer = door.post("tools/call", {"name": LIST, "arguments": {}})

    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="gateway:tool:read gateway:tool:write"' in challenge
    assert "resource_metadata=" in challenge
    assert refusal(answer.json()["error"])["code"] == "insufficient_scope"
    with world.tenant.acting():
        assert ToolCall.objects.get().code == "insufficient_scope"
    assert LIST not in str(door.post("tools/list", {}).json())


def test_what_no_role_allows_stays_hidden_whatever_the_scope(gateway_url, world):
    person = bob(world.tenant)
    door = agent(gateway_url, person, world.tenant.customers[0])
    with world.tenant.acting():
        person.user.principal.bindings.update(role=Role.BILLING)

    assert door.call(LIST)["message"] == "Unknown tool"


def test_a_token_without_a_challenge_names_the_usual_scopes(gateway_url):
    answer = Door(gateway_url, "none").post("tools/list", {})

    assert answer.status_code == 401
    assert 'scope="gateway:tool:read gateway:tool:write"' in answer.headers["www-authenticate"]


def test_an_agents_token_opens_nothing_of_the_api(world):
    person = bob(world.tenant, Role.OWNER)
    token = McpClient.registered().tokens(person, world.tenant.customers[0])["access_token"]

    assert Browser(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/agents/").status_code == 401
