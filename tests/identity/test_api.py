"""The REST twins: who may, what comes back, and that another tenant's object is as unknown as no object."""

import json

import pytest
from django.conf import settings
from django.test import Client as Browser

from identity.models import ServiceAccount
from identity.roles import Role
from tenants.models import Customer
from tests.factories import make_tenant
from tests.identity.factories import make_cast, make_machine, make_person

LISTS = ["/api/v1/members/", "/api/v1/service-accounts/", "/api/v1/customers/"]
GUEST = {"email": "Dave@X.example", "role": "viewer"}


def _post(browser, path, body=None, **headers):
    return browser.post(path, json.dumps(body or {}), content_type="application/json", headers=headers or None)


def _machine(world, role=Role.ADMIN, **kwargs):
    return make_machine(world, role, **kwargs).api()


def _session(world):
    """Of an admin: what needs a second factor is not for machines."""
    return make_person(world, name="admin").browser()


@pytest.mark.parametrize("path", LISTS)
def test_nobody_is_asked_to_authenticate(path):
    response = Browser().get(path)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", LISTS)
def test_a_list_shows_the_own_tenant_and_no_other(path):
    alice, bob, mallory = make_cast()
    own, foreign = make_machine(alice.world, Role.ADMIN), make_machine(mallory.world)

    shown = own.api().get(path).content.decode()

    mine = {
        LISTS[0]: [alice.id, bob.id], LISTS[1]: [own.id], LISTS[2]: [c.id for c in alice.world.customers]
    }[path]  # fmt: skip
    theirs = [mallory.id, foreign.id, *(c.id for c in mallory.world.customers)]
    assert all(str(identifier) in shown for identifier in mine)
    assert not any(str(identifier) in shown for identifier in theirs)


def test_a_tenant_in_the_request_changes_nothing():
    acme, globex = make_tenant("acme"), make_tenant("globex")
    api = _machine(acme)
    body = {"name": "Dental", "key": "dental", "tenant": str(globex.id), "tenant_id": str(globex.id)}

    made = _post(api, f"/api/v1/customers/?tenant_id={globex.id}", body, **{"X-Tenant": str(globex.id)})

    assert made.status_code == 201
    with globex.acting():
        assert not Customer.objects.filter(key="dental").exists()


def test_a_customers_token_sees_that_customer():
    acme = make_tenant()
    api = _machine(acme, Role.VIEWER, customers=(acme.customers[0],))

    assert [row["id"] for row in api.get("/api/v1/customers/").json()["results"]] == [str(acme.customers[0].id)]
    assert api.get(f"/api/v1/customers/{acme.customers[1].id}/").status_code == 404


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (Role.OPERATOR, "/api/v1/members/", 403),
        (Role.VIEWER, "/api/v1/service-accounts/", 403),
        (Role.BILLING, "/api/v1/customers/", 200),
        (Role.OPERATOR, "/api/v1/customers/", 200),
    ],
)
def test_each_action_needs_its_permission(role, path, status):
    response = _machine(make_tenant(), role).get(path)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "permission_missing"
        assert "identity:" in response.json()["detail"]


def test_a_viewer_changes_nothing():
    acme = make_tenant()
    api, bob = _machine(acme, Role.VIEWER), make_person(acme, Role.OPERATOR)

    assert _post(api, "/api/v1/customers/", {"name": "x", "key": "x"}).status_code == 403
    assert _post(api, f"/api/v1/customers/{acme.customers[0].id}/archive/").status_code == 403
    assert _post(api, f"/api/v1/members/{bob.id}/disable/").status_code == 403
    assert _post(api, "/api/v1/invitations/").status_code == 403


def test_a_members_life():
    acme = make_tenant()
    api = _session(acme)
    path = f"/api/v1/members/{make_person(acme, Role.VIEWER).id}/"

    assert api.get(path).json()["bindings"][0]["role"] == "viewer"
    assert "password" not in api.get(path).content.decode()
    bound = _post(api, f"{path}bindings/", {"role": "operator", "customer": str(acme.customers[0].id)})
    assert bound.status_code == 201
    assert len(api.get(path).json()["bindings"]) == 2
    assert api.delete(f"{path}bindings/{bound.json()['id']}/").status_code == 204
    assert api.delete(f"{path}bindings/{bound.json()['id']}/").status_code == 404
    assert _post(api, f"{path}disable/").status_code == 204
    assert api.get(path).json()["disabled_at"]
    assert _post(api, f"{path}enable/").status_code == 204
    assert not api.get(path).json()["disabled_at"]


def test_nobody_gives_what_they_lack_here_either():
    response = _post(_session(make_tenant()), "/api/v1/invitations/", GUEST | {"role": "owner"})
    assert (response.status_code, response.json()["code"]) == (403, "grants_more_than_held")


def test_a_secret_is_shown_once():
    acme = make_tenant()
    owner = make_person(acme, Role.OWNER)
    api = _session(acme)

    made = _post(
        api,
        "/api/v1/service-accounts/",
        {
            "name": "nightly",
            "purpose": "Reports",
            "role": "operator",
            "owner": str(owner.id),
            "customers": [str(acme.customers[0].id)],
        },
    )

    assert made.status_code == 201
    body = made.json()
    assert body["client_secret"].startswith("mspx_sa_")
    shown = api.get(f"/api/v1/service-accounts/{body['id']}/").content.decode()
    assert body["client_secret"] not in shown
    assert "digest" not in shown
    with acme.acting():
        assert ServiceAccount.objects.get(id=body["id"]).owner_id == owner.id
    token = Browser().post(
        "/oauth/token",
        {
            "grant_type": "client_credentials",
            "client_id": body["client_id"],
            "client_secret": body["client_secret"],
        },
    )
    assert token.status_code == 200


def test_wrong_input_names_its_field():
    response = _post(_machine(make_tenant()), "/api/v1/customers/", {"name": "x", "key": "Not a key"})
    assert response.status_code == 400
    assert (response.json()["code"], list(response.json()["fields"])) == ("invalid", ["key"])


def test_a_failed_request_leaves_nothing():
    acme = make_tenant()
    api = _session(acme)
    assert _post(api, "/api/v1/invitations/", GUEST).status_code == 201
    assert _post(api, "/api/v1/invitations/", GUEST).status_code == 409
    assert _post(api, "/api/v1/invitations/", {"email": "f@x.example", "role": "owner"}).status_code == 403

    assert "f@x.example" not in api.get("/api/v1/invitations/").content.decode()


def test_a_browser_needs_its_csrf_token_here():
    alice = make_person(make_tenant())
    cookie = alice.browser().cookies[settings.SESSION_COOKIE_NAME].value
    browser = Browser(enforce_csrf_checks=True)
    browser.cookies[settings.SESSION_COOKIE_NAME] = cookie

    assert browser.get("/api/v1/customers/").status_code == 200
    refused = _post(browser, "/api/v1/customers/", {"name": "x", "key": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_refused")
    browser.cookies[settings.CSRF_COOKIE_NAME] = token = "a" * 32
    allowed = _post(browser, "/api/v1/customers/", {"name": "x", "key": "x"}, **{"X-CSRFToken": token})
    assert allowed.status_code == 201


def test_a_token_needs_none():
    machine = make_machine(make_tenant(), Role.ADMIN)
    browser = Browser(
        enforce_csrf_checks=True, headers={"Authorization": f"Bearer {machine.token(settings.API_RESOURCE)}"}
    )
    assert _post(browser, "/api/v1/customers/", {"name": "x", "key": "x"}).status_code == 201


@pytest.mark.parametrize("scheme", ["Bearer x", "Basic eDp4", "Token x", "Bearer"])
def test_a_bad_token_is_401_even_beside_a_good_session(scheme):
    alice = make_person(make_tenant())
    response = alice.browser().get("/api/v1/customers/", headers={"Authorization": scheme})
    assert response.status_code == 401


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_for_any_length(count, django_assert_num_queries):
    acme = make_tenant()
    api = _machine(acme, Role.ADMIN)
    for number in range(count):
        make_person(acme, Role.VIEWER, name=f"p{number}", customer=acme.customers[0])
        make_machine(acme, owner=make_person(acme))

    with django_assert_num_queries(5):
        assert api.get("/api/v1/members/").status_code == 200
    with django_assert_num_queries(5):
        assert api.get("/api/v1/service-accounts/").status_code == 200


def test_pages_are_newest_first():
    acme = make_tenant(customers=5)
    api = _machine(acme)

    first = api.get("/api/v1/customers/?limit=2").json()
    second = api.get(first["next"]).json()

    keys = [row["key"] for row in first["results"] + second["results"]]
    assert keys == ["acme-5", "acme-4", "acme-3", "acme-2"]


def test_the_description_is_whole(recwarn):
    schema = Browser().get("/api/schema").json()
    assert {"/api/v1/members/", "/api/v1/service-accounts/", "/api/v1/customers/"} <= set(schema["paths"])
    assert {"bearer", "session"} <= set(schema["components"]["securitySchemes"])
