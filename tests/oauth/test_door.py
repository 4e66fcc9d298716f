"""What a client may ask, who may register, where answers go, and what the consent page is proof against."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser

from identity.oauth import clients, pace
from identity.oauth.requests import AuthorizationRequest
from tests.gateway.door import in_a_thread
from tests.oauth.flow import CALLBACK, McpClient, answer_of, bob, some_address


def register(**body):
    return Browser(REMOTE_ADDR=some_address()).post("/oauth/register", body, content_type="application/json")


def test_metadata_says_what_there_is():
    found = Browser().get("/.well-known/oauth-authorization-server").json()

    issuer = settings.PUBLIC_URL
    assert found["issuer"] == issuer
    for name in ("authorize", "token", "register", "revoke"):
        assert f"{issuer}/oauth/{name}" in found.values()
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["response_types_supported"] == ["code"]
    assert found["grant_types_supported"] == ["authorization_code", "client_credentials", "refresh_token"]
    assert "none" in found["token_endpoint_auth_methods_supported"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["client_id_metadata_document_supported"] is True
    assert "introspection_endpoint" not in found


@pytest.mark.parametrize(
    "path", ["/oauth/introspect", "/oauth/applications/", "/o/token/", "/oauth/device-authorization"]
)
def test_nothing_else_of_the_toolkit_is_there(path):
    assert Browser().get(path).status_code == 404


def test_a_registration_is_stored_nowhere_and_ends():
    made = register(client_name="Claude Code", redirect_uris=[CALLBACK]).json()

    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made
    assert made["client_id_expires_at"] - made["client_id_issued_at"] == clients.REGISTRATION_SECONDS
    assert clients.find_client(made["client_id"]).redirect_uris == (CALLBACK,)


def test_a_registration_that_is_over_or_changed_is_unknown(monkeypatch):
    client_id = McpClient.registered().client_id

    assert clients.find_client(client_id[:-1] + ("A" if client_id[-1] != "A" else "B")) is None
    monkeypatch.setattr(clients, "REGISTRATION_SECONDS", -1)
    assert clients.find_client(client_id) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example/cb", "javascript:alert(1)", "data:text/html,x", "https://user@evil.example/cb",
        "//evil.example/cb",
        "https://a.example/cb#x", "https://*.example/cb", "https://a.example/cb?iss=https://other", "https:///cb",
        "https://a.example/c b", "https://a.example/cb;form-action *", "http://127.0.0.1.evil.example/cb", "", 7,
        "https://a.example/" + "x" * 300, "http://localhost.evil.example/", "HTTP://evil.example/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_some_addresses_cannot_be_registered(uri):
    refused = register(client_name="x", redirect_uris=[uri])

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "uri", ["https://claude.ai/api/mcp/auth_callback", "http://localhost:1/cb", "cursor://x/cb", "http://[::1]:9/"]
)
def test_others_can(uri):
    assert register(client_name="x", redirect_uris=[uri]).status_code == 201


@pytest.mark.parametrize(
    "more",
    [
        {"token_endpoint_auth_method": "client_secret_basic"}, {"grant_types": ["client_credentials"]},
        {"grant_types": ["implicit", "authorization_code"]}, {"response_types": ["token"]}, {"redirect_uris": []},
        {"redirect_uris": [CALLBACK] * 7}, {"grant_types": 3}, {"client_secret": "mine"},
    ],
)  # fmt: skip
def test_what_is_not_offered_cannot_be_registered(more):
    assert register(**{"client_name": "x", "redirect_uris": [CALLBACK]} | more).status_code == 400


@pytest.mark.parametrize("body", ["[]", "{", "null", '"x"', "[" * 5000, "x" * 9000])
def test_a_registration_is_a_short_json_object(body):
    answer = Browser(REMOTE_ADDR=some_address()).post("/oauth/register", body, content_type="application/json")

    assert answer.status_code == 400


def test_registration_has_a_pace_for_each_address():
    browser = Browser(REMOTE_ADDR=some_address())
    body = {"client_name": "x", "redirect_uris": [CALLBACK]}

    statuses = [
        browser.post("/oauth/register", body, content_type="application/json").status_code
        for _ in range(pace.A_MINUTE["register"] + 1)
    ]

    assert statuses == [201] * pace.A_MINUTE["register"] + [429]


def test_without_redis_nobody_registers(monkeypatch):
    monkeypatch.setattr(pace, "_client", lambda: pace.redis.Redis(port=1, socket_connect_timeout=0.1))

    assert register(client_name="x", redirect_uris=[CALLBACK]).status_code == 429


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "gateway:tool:read everything"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ({"resource": f"{settings.PUBLIC_URL}/api"}, "invalid_target"),
        ({"state": "x" * 1025}, "invalid_request"),
    ],
)
def test_a_request_that_is_not_good_goes_back_with_state_and_issuer(changes, error):
    back = McpClient.registered().authorize(Browser(), **changes)

    assert back.status_code == 302
    answer = answer_of(back)
    assert back["Location"].startswith(f"{CALLBACK}?")
    assert answer["error"] == error
    assert answer["iss"] == settings.PUBLIC_URL
    assert answer["state"] == changes.get("state", "a state")
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"}, {"client_id": None}, {"client_id": "mspx_r_forged"}, {"client_id": "x\0y"},
        {"redirect_uri": "https://evil.example/"}, {"redirect_uri": f"{CALLBACK}/more"},
        {"redirect_uri": f"{CALLBACK}?x=1"}, {"redirect_uri": "http://localhost:3334/callback"},
        {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": "http://127.0.0.1@evil.example/callback"},
    ],
)  # fmt: skip
def test_nobody_is_sent_to_an_address_that_is_not_the_clients(changes):
    answer = McpClient.registered().authorize(Browser(), **changes)

    assert answer.status_code == 400
    assert "Location" not in answer
    assert b"could not be connected" in answer.content


def test_a_loopback_address_may_have_any_port():
    person = bob()
    client = McpClient.registered()
    client.redirect_uri = "http://127.0.0.1:50123/callback"

    back = client.consent(person.browser(), person.world.customers[0])

    assert back["Location"].startswith("http://127.0.0.1:50123/callback?code=")


def test_a_web_address_that_anybody_may_have_registered_is_not_gone_to_unasked():
    client = McpClient.registered("x", "https://evil.example/cb")

    answer = client.authorize(Browser(), scope="nonsense")

    assert answer.status_code == 400
    assert "Location" not in answer
    assert b'href="https://evil.example/cb?error=invalid_scope' in answer.content


def test_duplicate_parameters_are_refused():
    client = McpClient.registered()

    for name in ("client_id", "redirect_uri", "state", "code_challenge", "resource"):
        answer = Browser(REMOTE_ADDR=some_address()).get(f"{client.asks()}&{name}=second")
        assert answer.status_code == 400 or answer_of(answer).get("error"), name
    doubled = {"grant_type": ["refresh_token"], "refresh_token": ["a", "b"], "client_id": [client.client_id]}
    assert Browser().post("/oauth/token", doubled).status_code == 400


def test_who_is_not_signed_in_signs_in_first_and_comes_back():
    client = McpClient.registered()
    browser = Browser()

    page = client.authorize(browser)["Location"]
    door = browser.get(page)

    assert door["Location"].startswith("/sign-in/?next=")
    assert browser.get(door["Location"]).cookies["msplex_next"].value
    assert browser.post(page, {"allow": "", "customer": "*"})["Location"].startswith("/sign-in/")


def test_the_consent_page_shows_who_asks_and_for_what():
    person = bob()
    browser = person.browser()

    page = browser.get(McpClient.registered("<b>Claude</b>\u202e Code").authorize(browser)["Location"]).content.decode()

    assert "&lt;b&gt;Claude&lt;/b&gt; Code" in page
    assert "Unverified app" in page
    assert "this computer" in page
    assert person.world.workspace in page or person.world.name in page
    assert "Run tools that read" in page
    assert "Run tools that delete" not in page
    for customer in person.world.customers:
        assert customer.name in page


def test_the_consent_page_cannot_be_framed_or_posted_to_from_elsewhere():
    person = bob()
    browser = person.browser()
    page = McpClient.registered().authorize(browser)["Location"]

    shown = browser.get(page)
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    forged = strict.post(page, {"customer": str(person.world.customers[0].pk), "allow": ""})

    assert shown["X-Frame-Options"] == "DENY"
    policy = shown["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert re.search(r"form-action 'self' http://127.0.0.1:3334(;|$)", policy)
    assert "no-store" in shown["Cache-Control"]
    assert forged.status_code == 403


def test_only_the_page_of_a_client_lets_forms_lead_to_it():
    person = bob()

    policy = person.browser().get("/")["Content-Security-Policy"]

    assert re.search(r"form-action 'self'(;|$)", policy)


def test_a_changed_or_old_request_is_refused(monkeypatch):
    person = bob()
    browser = person.browser()
    page = McpClient.registered().authorize(browser)["Location"]

    assert browser.get(page[:-1] + ("A" if page[-1] != "A" else "B")).status_code == 400
    assert browser.get("/agents/connect/").status_code == 400
    monkeypatch.setattr("identity.oauth.requests.SECONDS", -1)
    assert browser.get(page).status_code == 400


def test_an_unknown_client_at_the_token_endpoint_is_refused():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])

    answer = McpClient("nobody", client.verifier).exchange(code)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("grant", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:x"])
def test_other_grants_are_not_there(grant):
    answer = McpClient.registered().token(grant_type=grant, username="a", password="b")

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_token_for_the_api_is_not_to_be_had():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0])

    assert client.exchange(code, resource=settings.API_RESOURCE).json() == {"error": "invalid_target"}


def test_without_a_resource_it_is_the_gateway():
    person = bob()
    client = McpClient.registered()
    code = client.code(person, person.world.customers[0], resource=None)

    assert client.exchange(code, resource=None).status_code == 200


def test_the_sealed_request_survives_the_sign_in_cookie():
    client = McpClient.registered("x" * 60, "https://a.example/" + "y" * 280)

    page = client.authorize(Browser(), state="s" * 500)["Location"]

    assert len(page) < 3800
    assert AuthorizationRequest.read(page.partition("request=")[2].replace("%3A", ":")).state == "s" * 500


def test_the_toolkits_own_tables_are_not_made():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'oauth2%%'")
        assert cursor.fetchall() == []


def test_only_public_names_of_the_toolkit_are_imported():
    """Its modules move between releases; what is public moves with a warning."""
    sources = (path.read_text() for path in (Path(clients.__file__).parents[1]).rglob("*.py"))

    imported = [
        (node.module, name.name)
        for source in sources
        for node in ast.walk(in_a_thread(ast.parse, source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oauth2_provider")
        for name in node.names
    ]

    assert imported
    assert [name for name in imported if any(part.startswith("_") for part in (*name[0].split("."), name[1]))] == []
