"""The browser's door: context from the cookie alone, narrow first, withdrawn at once, rolled back on failure."""

import base64
from datetime import timedelta

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import get_resolver
from django.utils import timezone

from identity import middleware
from identity.cookies import SessionCookie, set_session_cookie
from identity.errors import PermissionMissing
from identity.models import Session
from identity.models.security import LONGEST_IDLE
from identity.permissions import Permission
from identity.roles import Role
from identity.selectors import bindings
from identity.services import bind_role, disable_principal, enable_principal, sign_out, unbind_role
from identity.web import declared_permission
from tenants.isolation.context import acting_for
from tenants.models import Customer
from tests.factories import make_tenant
from tests.identity import urls
from tests.identity.factories import SETUP, make_machine, make_person


def _principal(browser):
    response = browser.get("/whoami")
    return response.json()["principal"] if response.status_code == 200 else None


def test_the_cookie_says_who_and_the_bindings_how_far():
    acme = make_tenant()
    alice = make_person(acme)
    bob = make_person(acme, Role.OPERATOR, name="bob", customer=acme.customers[0])

    assert alice.browser().get("/whoami").json() == {
        "principal": str(alice.id),
        "user": str(alice.id),
        "actor": alice.user.email,
        "customers": None,
    }
    assert bob.browser().get("/whoami").json()["customers"] == [str(acme.customers[0].id)]


def test_the_context_opens_without_any_customer(monkeypatch):

    alice = make_person(make_tenant())
    browser, seen = alice.browser(), []
    monkeypatch.setattr(
        middleware, "acting_for", lambda context: (seen.append(context.customers), acting_for(context))[1]
    )

    browser.get("/whoami")

    assert seen == [(), None]


def test_a_visitor_has_no_context_and_is_sent_to_sign_in():
    response = Browser().get("/whoami?x=1")
    assert (response.status_code, response["Location"]) == (302, "/sign-in?next=%2Fwhoami%3Fx%3D1")
    assert Browser().get("/anyone").json() == {"context": False, "principal": False}


def test_a_partial_update_is_told_to_load_the_sign_in_page():
    response = Browser().get("/whoami", headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Redirect"]) == (401, "/sign-in")


def test_missing_permission_is_refused_by_name():

    browser = make_person(make_tenant()).browser()
    with pytest.raises(PermissionMissing) as refused:
        browser.get("/owners")
    assert refused.value.permission == Permission.TENANT_SETTINGS_MANAGE


@pytest.mark.parametrize("change", ["disable", "epoch", "end", "idle", "absolute"])
def test_withdrawn_on_the_very_next_request(change):
    alice = make_person(make_tenant(), Role.OPERATOR)
    browser = alice.browser()
    assert _principal(browser) == str(alice.id)

    with alice.world.acting():
        rows = Session.objects.filter(principal_id=alice.id)
        match change:
            case "disable":
                disable_principal(alice.id, by=SETUP)
            case "epoch":
                disable_principal(alice.id, by=SETUP)
                enable_principal(alice.id, by=SETUP)
                rows.update(ended_at=None)
            case "end":
                sign_out(rows.get().pk, by=SETUP)
            case "idle":
                rows.update(last_seen_at=timezone.now() - timedelta(minutes=LONGEST_IDLE))
            case "absolute":
                rows.update(expires_at=timezone.now())

    response = browser.get("/whoami")
    assert response.status_code == 302
    assert response.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 0


def test_a_role_change_holds_on_the_next_request():
    acme = make_tenant()
    bob = make_person(acme, Role.VIEWER, customer=acme.customers[0])
    browser = bob.browser()
    with acme.acting():
        bind_role(bob.user.principal, role=Role.VIEWER, customer=acme.customers[1], by=SETUP)
    assert len(browser.get("/whoami").json()["customers"]) == 2
    with acme.acting():
        for binding in bindings().filter(principal_id=bob.id):
            unbind_role(binding, by=SETUP)

    with pytest.raises(PermissionMissing):
        browser.get("/whoami")


@pytest.mark.parametrize("forge", ["other tenant", "other principal", "other key", "unsigned", "garbage"])
def test_a_forged_cookie_is_nobody(forge):

    acme, globex = make_tenant("acme"), make_tenant("globex")
    alice, bob, mallory = make_person(acme), make_person(acme, name="bob"), make_person(globex)
    real = SessionCookie.read(alice.browser().cookies[settings.SESSION_COOKIE_NAME].value)
    forged = {
        "other tenant": SessionCookie(globex.id, mallory.id, real.key).sealed(),
        "other principal": SessionCookie(acme.id, bob.id, real.key).sealed(),
        "other key": SessionCookie(acme.id, alice.id, bytes(32)).sealed(),
        "unsigned": base64.urlsafe_b64encode(real.tenant_id.bytes + real.principal_id.bytes + real.key).decode(),
        "garbage": "x:y",
    }[forge]
    browser = Browser()
    browser.cookies[settings.SESSION_COOKIE_NAME] = forged

    assert _principal(browser) is None


def test_a_template_renders_inside_the_context():
    acme = make_tenant()
    bob = make_person(acme, Role.VIEWER, customer=acme.customers[1])

    assert bob.browser().get("/lazy").content.split() == [acme.customers[1].key.encode()]


@pytest.mark.parametrize(("then", "kept"), [("ok", 1), ("raise", 0), ("500", 0), ("404", 0)])
def test_failures_leave_nothing_behind(then, kept):
    alice = make_person(make_tenant())
    browser = alice.browser()
    browser.raise_request_exception = False

    browser.get(f"/write?then={then}")

    with alice.world.acting():
        assert Customer.objects.filter(key="made").count() == kept
        assert Session.objects.get(principal_id=alice.id).data == ({"made": True} if kept else {})


def test_cookie_flags(settings):

    settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_NAME = True, "__Host-session"
    response = HttpResponse()
    set_session_cookie(response, "x")
    cookie = response.cookies["__Host-session"]

    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    assert not cookie["domain"]


def test_a_bearer_token_is_not_for_pages_nor_a_cookie_beside_it():
    acme = make_tenant()
    machine = make_machine(acme)
    api = machine.api()

    assert api.get("/whoami").status_code == 302
    assert api.get("/api/v1/customers/").status_code == 200


def test_every_address_of_the_portal_declares_one_of_the_two():
    patterns = list(_patterns(get_resolver("msplex.urls")))
    assert len(patterns) > 20
    assert [str(pattern.pattern) for pattern in patterns if declared_permission(pattern.callback) is None] == []


def test_every_address_declares_one_of_the_two():

    undeclared = [p for p in _patterns(get_resolver("tests.identity.urls")) if declared_permission(p.callback) is None]
    assert undeclared == []
    assert declared_permission(urls.undeclared) is None


def _patterns(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern)
        else:
            yield pattern
