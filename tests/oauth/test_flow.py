"""From a registration to a token, and how the tokens live and end."""

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client as Browser
from django.utils import timezone

from audit.kinds import EventKind
from audit.models import Event
from identity import services
from identity.errors import TokenRefused
from identity.models import AgentSession, OAuthApplication, OAuthCode, OAuthRefreshToken
from identity.oauth import clients
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services.agents import Wish, start_agent_session
from identity.tokens import load_principal, read_access_token
from tenants.errors import Invalid, NotAllowed
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_member
from tests.oauth.flow import CALLBACK, McpClient, answer_of, bob


def claims_of(tokens):
    return read_access_token(tokens["access_token"], audience=settings.GATEWAY_RESOURCE)


def is_alive(person: Person, tokens) -> bool:
    """What the gateway asks on each request."""
    claims = claims_of(tokens)
    with person.world.acting(principal=person.id):
        try:
            load_principal(claims)
        except TokenRefused:
            return False
        return True


def events(person: Person, kind: EventKind) -> list[Event]:
    with person.world.acting():
        return list(Event.objects.filter(kind=kind.value).order_by("id"))


def test_a_person_lets_a_client_in_for_one_customer():
    person = bob()
    one = person.world.customers[0]
    client = McpClient.registered()

    tokens = client.tokens(person, one)

    claims = claims_of(tokens)
    assert tokens["expires_in"] == claims.expires_at - claims.issued_at == 900
    assert tokens["scope"] == claims.scope == "gateway:tool:read gateway:tool:write"
    assert claims.kind is PrincipalKind.AGENT_SESSION
    assert (claims.principal_id, claims.tenant_id) == (person.id, person.world.id)
    assert claims.customers == (one.pk,)
    assert claims.client_id == client.client_id
    with person.world.acting(principal=person.id):
        principal = load_principal(claims)
        session = AgentSession.objects.get(id=claims.agent_session_id)
    assert principal.scope() == (one.pk,)
    assert principal.label == f"Claude Code for {person.user.email}"
    assert session.customer_id == one.pk


def test_the_record_names_the_agent_and_the_person():
    person = bob()

    tokens = McpClient.registered().tokens(person, person.world.customers[0])

    session = claims_of(tokens).agent_session_id
    connected, issued = events(person, EventKind.AGENT_CONNECTED)[0], events(person, EventKind.TOKEN_ISSUED)[0]
    assert (connected.actor_kind, connected.actor_id) == ("user", person.id)
    assert (issued.actor_kind, issued.actor_id) == ("agent", session)
    assert f'"on_behalf_of":{{"id":"{person.id}","kind":"user"}}' in bytes(issued.header).decode()
    assert connected.customer_id == issued.customer_id == person.world.customers[0].pk


def test_cross_customer_is_for_those_whose_role_is():
    person = bob()
    narrow = make_member(person.world, Role.OPERATOR, name="carol", customer=person.world.customers[0])
    client = McpClient.registered()

    wide = claims_of(client.tokens(person, None))
    refused = client.consent(narrow.browser(), None)

    assert wide.customers is None
    assert refused.status_code == 422


def test_the_grant_never_exceeds_the_person():
    viewer = bob(role=Role.VIEWER)
    client = McpClient.registered()

    tokens = client.tokens(
        viewer, viewer.world.customers[0], scope="gateway:tool:read gateway:tool:write gateway:tool:destroy"
    )

    assert tokens["scope"] == "gateway:tool:read"


def test_a_client_that_asked_for_less_gets_less():
    person = bob()

    claims = claims_of(McpClient.registered().tokens(person, person.world.customers[0], scope="gateway:tool:read"))

    with person.world.acting(principal=person.id):
        principal = load_principal(claims)
    assert [permission.value for permission in principal.permissions()] == ["gateway:tool:read"]
    assert len(principal.with_every_scope().permissions()) > 1


def test_who_may_run_no_tool_has_nothing_to_give():
    billing = bob(role=Role.BILLING)
    client = McpClient.registered()
    browser = billing.browser()

    page = browser.get(client.authorize(browser)["Location"])

    assert b"None of your roles runs the tools" in page.content
    assert b'name="allow"' not in page.content
    assert client.consent(browser, billing.world.customers[0]).status_code == 422


def test_another_tenants_customer_cannot_be_chosen():
    person, other = bob(), make_tenant("globex")

    refused = McpClient.registered().consent(person.browser(), other.customers[0])

    assert refused.status_code == 422
    with person.world.acting():
        assert not AgentSession.objects.exists()


def test_what_is_stored_opens_nothing():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])
    tokens = client.exchange(code).json()

    with person.world.acting():
        rows = [*OAuthCode.objects.values(), *OAuthRefreshToken.objects.values(), *AgentSession.objects.values()]
        rows += OAuthApplication.objects.values("id", "name")
    kept = repr(rows)
    assert code not in kept
    assert tokens["refresh_token"] not in kept
    assert tokens["access_token"] not in kept


def test_a_refresh_token_is_no_access_token():
    person = bob()

    tokens = McpClient.registered().tokens(person, person.world.customers[0])

    with pytest.raises(TokenRefused):
        read_access_token(tokens["refresh_token"], audience=settings.GATEWAY_RESOURCE)


def test_a_denied_request_goes_back_with_the_issuer_and_leaves_a_record():
    person = bob()
    client = McpClient.registered()
    browser = person.browser()

    back = browser.post(client.authorize(browser)["Location"], {"deny": ""})

    assert back["Location"].startswith(f"{CALLBACK}?")
    assert answer_of(back) == {"error": "access_denied", "state": "a state", "iss": settings.PUBLIC_URL}
    assert len(events(person, EventKind.AGENT_DENIED)) == 1
    with person.world.acting():
        assert not OAuthApplication.objects.exists()


def test_the_answer_names_issuer_and_state():
    person = bob()

    answer = answer_of(McpClient.registered().consent(person.browser(), person.world.customers[0]))

    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("a state", settings.PUBLIC_URL)


def test_a_replayed_code_ends_what_came_of_it():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])
    tokens = client.exchange(code).json()

    replayed = client.exchange(code)

    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert not is_alive(person, tokens)
    assert client.refresh(tokens["refresh_token"]).status_code == 400
    assert b'"alert":true' in bytes(events(person, EventKind.AGENT_CREDENTIAL_REUSED)[0].body)


@pytest.mark.parametrize(
    "wrong",
    [{"code_verifier": "w" * 50}, {"code_verifier": None}, {"redirect_uri": "http://127.0.0.1:3334/other"}],
)
def test_a_wrong_exchange_burns_the_code(wrong):
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])

    refused = client.token(
        **{"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": client.verifier}
        | wrong
    )

    assert refused.status_code == 400
    assert client.exchange(code).json()["error"] == "invalid_grant"


def test_an_old_code_is_refused():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])
    with person.world.acting():
        OAuthCode.objects.update(expires=timezone.now())

    assert client.exchange(code).json()["error"] == "invalid_grant"


def test_refresh_tokens_rotate_and_keep_the_reach():
    person = bob()
    client = McpClient.registered()
    first = client.tokens(person, person.world.customers[0])

    second = client.refresh(first["refresh_token"]).json()

    assert second["refresh_token"] != first["refresh_token"]
    assert claims_of(second).customers == claims_of(first).customers
    assert claims_of(second).agent_session_id == claims_of(first).agent_session_id
    assert client.refresh(second["refresh_token"]).status_code == 200


def test_a_rotated_refresh_token_ends_the_family_and_alerts():
    person = bob()
    client = McpClient.registered()
    first = client.tokens(person, person.world.customers[0])
    second = client.refresh(first["refresh_token"]).json()

    reused = client.refresh(first["refresh_token"])

    assert reused.json()["error"] == "invalid_grant"
    assert not is_alive(person, second)
    assert client.refresh(second["refresh_token"]).status_code == 400
    assert b'"alert":true' in bytes(events(person, EventKind.AGENT_CREDENTIAL_REUSED)[0].body)


def test_a_refresh_can_narrow_the_scope_and_not_widen_it():
    person = bob()
    client = McpClient.registered()
    tokens = client.tokens(person, person.world.customers[0], scope="gateway:tool:read")

    widened = client.refresh(tokens["refresh_token"], scope="gateway:tool:read gateway:tool:write")

    assert widened.json()["error"] == "invalid_scope"
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_ends_by_itself():
    person = bob()
    client = McpClient.registered()
    tokens = client.tokens(person, person.world.customers[0])
    with person.world.acting():
        OAuthRefreshToken.objects.update(expires=timezone.now())

    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_client_may_end_its_own_session_and_no_other():
    person = bob()
    one, other = McpClient.registered("one"), McpClient.registered("other")
    tokens, others = one.tokens(person, person.world.customers[0]), other.tokens(person, person.world.customers[0])
    browser = Browser()

    for token in (others["refresh_token"], others["access_token"]):
        assert browser.post("/oauth/revoke", {"token": token, "client_id": one.client_id}).status_code == 200
    assert browser.post("/oauth/revoke", {"token": "made up", "client_id": one.client_id}).status_code == 200
    assert browser.post("/oauth/revoke", {"client_id": one.client_id}).status_code == 400
    assert is_alive(person, others)

    assert (
        browser.post("/oauth/revoke", {"token": tokens["access_token"], "client_id": one.client_id}).status_code == 200
    )
    assert not is_alive(person, tokens)
    assert one.refresh(tokens["refresh_token"]).status_code == 400


def test_the_token_of_automation_is_not_said_to_be_revoked_while_it_is_good():
    machine = make_machine(make_tenant())

    for resource in (settings.GATEWAY_RESOURCE, settings.API_RESOURCE):
        answer = Browser().post("/oauth/revoke", {"token": machine.token(resource), "client_id": machine.client_id})
        assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_token_type"})


def test_another_clients_code_and_refresh_token_are_refused():
    person = bob()
    one, other = McpClient.registered("one"), McpClient.registered("other")
    tokens = one.tokens(person, person.world.customers[0])
    other.tokens(person, person.world.customers[0])
    stolen = McpClient(other.client_id, one.verifier)
    code = one.code(person, person.world.customers[0])

    assert stolen.exchange(code).json()["error"] == "invalid_grant"
    assert stolen.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert is_alive(person, tokens)


def test_a_hint_at_another_tenant_is_worth_nothing():
    """The client was let in by mallory's tenant; bob's code, presented as its own, meets no such client there."""
    person, mallory = bob(), bob(make_tenant("globex"))
    client, foreign = McpClient.registered("one"), McpClient.registered("foreign")
    code = client.code(person, person.world.customers[0])
    tokens = client.tokens(person, person.world.customers[0])
    foreign.tokens(mallory, mallory.world.customers[0])
    stranger = McpClient(foreign.client_id, client.verifier)

    assert stranger.exchange(code).status_code == 401
    assert stranger.refresh(tokens["refresh_token"]).status_code == 401
    forged = code[:20] + ("A" if code[20] != "A" else "B") + code[21:]
    assert client.exchange(forged).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "withdraw",
    [
        lambda person: services.disable_principal(person.id, by=SETUP),
        lambda person: services.reset_factors(person.user, by=SETUP),
        lambda person: services.end_agent_session(AgentSession.objects.get().pk, by=person.actor_now),
    ],
    ids=["disabled", "factors reset", "revoked"],
)
def test_a_withdrawal_ends_the_session_at_once(withdraw):
    person = bob()
    client = McpClient.registered()
    tokens = client.tokens(person, person.world.customers[0])
    person.actor_now = person.actor
    assert is_alive(person, tokens)

    with person.world.acting(principal=person.id):
        withdraw(person)

    assert not is_alive(person, tokens)
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_role_that_is_taken_away_is_gone_from_the_agent():
    person = bob()
    tokens = McpClient.registered().tokens(person, person.world.customers[0])
    with person.world.acting():
        services.unbind_role(person.user.principal.bindings.get(), by=SETUP)

    claims = claims_of(tokens)
    with person.world.acting(principal=person.id):
        assert load_principal(claims).permissions() == frozenset()


def test_a_code_made_before_a_withdrawal_buys_nothing():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])
    with person.world.acting():
        services.reset_factors(person.user, by=SETUP)

    assert client.exchange(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("values", [{"token_seconds": 901}, {"cross_customer": True}])
def test_the_database_holds_the_limits(values):
    person = bob()
    McpClient.registered().tokens(person, person.world.customers[0])

    with pytest.raises(DatabaseError), person.world.acting():
        AgentSession.objects.update(**values)


def test_no_record_no_token(monkeypatch):
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])
    monkeypatch.setattr("audit.services._PLAIN", "SELECT 1 FROM no_such_table WHERE %s IS NULL" + " OR %s IS NULL" * 19)

    answer = client.exchange(code)

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    with person.world.acting():
        assert not OAuthRefreshToken.objects.exists()


def test_an_agent_may_change_nothing_of_identity():
    person = bob(role=Role.OWNER)
    tokens = McpClient.registered().tokens(person, person.world.customers[0])

    with person.world.acting(principal=person.id):
        agent = load_principal(claims_of(tokens)).actor()
        with pytest.raises(NotAllowed):
            services.disable_principal(person.id, by=agent)
    assert (
        Browser(headers={"Authorization": f"Bearer {tokens['access_token']}"}).get("/api/v1/members/").status_code
        == 401
    )


def test_the_service_itself_keeps_the_narrow_from_crossing():
    narrow = bob()
    narrow = make_member(narrow.world, Role.OPERATOR, name="carol", customer=narrow.world.customers[0])
    client = clients.find_client(McpClient.registered().client_id)

    with narrow.world.acting(principal=narrow.id), pytest.raises(Invalid, match="Choose one customer"):
        start_agent_session(acting_principal(narrow.id), Wish(client, ("gateway:tool:read",), None), by=narrow.actor)
