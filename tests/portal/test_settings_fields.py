"""A settings field says what is wrong with it as it is left; a secret is never asked about, nor sent along."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from audit.selectors import events
from connectors.catalogue import all_connectors
from connectors.contract import Connector
from connectors.imported.signing_in import HEADER
from connectors.models import ConnectorInstance, Credential
from connectors.services import start_instance
from identity.roles import Role
from msplex.portal import connection_forms
from tenants.models import Entitlement
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_person

SECRET = "canary-secret-4f9a1c77e2"
KEYS = [entry.key for entry in all_connectors()]
GOOD = {"base_url": "https://acme.halopsa.com", "client_id": "app-1"}


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def connect(person: Person, connector: str = "halopsa") -> ConnectorInstance:
    with person.world.acting():
        terms = {"included_calls": 10, "calls_per_minute": 10}
        Entitlement.objects.get_or_create(connector=connector, defaults=terms)
        return start_instance(connector, by=SETUP)


def leave(person: Person, instance: ConnectorInstance, name: str, **sent: str):
    url = reverse("portal:connector_field", args=[instance.pk])
    return person.browser().post(f"{url}?name={name}", sent)


def said(response) -> list[str]:
    assert response.status_code == 200
    return [unescape(each) for each in re.findall(r"<li>(.*?)</li>", response.content.decode())]


BAD = [
    ("halopsa", "base_url", {"base_url": "ftp://acme"}),
    ("halopsa", "base_url", {}),
    ("halopsa", "client_id", {"client_id": "no spaces"}),
    ("halopsa", "request_limit", {"request_limit": "7"}),
    ("halopsa", "expires_on", {"expires_on": "soon"}),
    ("itglue", "base_url", {"base_url": "https://itglue.com.example"}),
    ("connectwise", "client_id", {"client_id": "not-a-guid"}),
    ("ninjaone", "script_ids", {"script_ids": "one"}),
    ("mcp", "address", {"address": "https://mcp.example.com/mcp?x=1"}),
    ("mcp", "header", {"sign_in": HEADER, "header": "no name"}),
]


@pytest.mark.parametrize(("connector", "name", "sent"), BAD)
def test_a_field_that_was_left_says_what_the_whole_form_says(alice: Person, connector, name, sent) -> None:
    instance = connect(alice, connector)

    alone = said(leave(alice, instance, name, **sent))
    url = reverse("portal:connector_configure", args=[instance.pk])
    whole = alice.browser().post(url, sent).context["form"].errors[name]

    assert alone == list(whole) != []


def test_a_good_value_is_fine_and_an_empty_one_that_may_be_is_nothing(alice: Person) -> None:
    instance = connect(alice)

    fine, nothing = (leave(alice, instance, name, **GOOD) for name in ("base_url", "request_limit"))

    assert "Fine" in fine.content.decode()
    assert nothing.content.decode().strip() == ""
    assert said(fine) == said(nothing) == []


def test_nothing_is_stored_or_recorded(alice: Person) -> None:
    instance = connect(alice)
    alice.browser()
    with alice.world.acting():
        before = events().count()

    leave(alice, instance, "base_url", **GOOD)

    with alice.world.acting():
        kept = ConnectorInstance.objects.get()
        assert (kept.settings, kept.configured_at, Credential.objects.count()) == ({}, None, 0)
        assert events().count() == before + 1  # the sign-in of `leave`


@pytest.mark.parametrize("name", ["client_secret", "", "__all__", "nothing", "csrfmiddlewaretoken"])
def test_what_is_no_plain_field_is_refused(alice: Person, name: str) -> None:
    response = leave(alice, connect(alice), name, **GOOD, client_secret=SECRET)

    assert response.status_code == 400
    assert SECRET not in response.content.decode()


def test_a_secret_that_is_sent_along_is_not_looked_at(alice: Person, monkeypatch) -> None:
    looked_at = []
    form_of = connection_forms.settings_form
    monkeypatch.setattr(
        connection_forms, "settings_form", lambda *terms: (looked_at.append(terms[2]), form_of(*terms))[1]
    )

    response = leave(alice, connect(alice), "base_url", **GOOD, client_secret=SECRET)

    assert said(response) == []
    assert looked_at == [GOOD]


@pytest.mark.parametrize("entry", all_connectors(), ids=KEYS)
def test_no_field_of_any_connector_sends_a_secret(alice: Person, entry: Connector) -> None:
    instance = connect(alice, entry.key)
    with alice.world.acting():
        form = connection_forms.settings_form(entry, instance)

    asks = {name: field.widget.attrs for name, field in form.fields.items() if "hx-post" in field.widget.attrs}

    assert set(asks) == set(form.fields) - set(entry.secret_fields)
    for attrs in asks.values():
        assert set(attrs["hx-params"].split(",")) == {"csrfmiddlewaretoken", *asks}


def test_a_connection_that_may_not_be_configured_checks_no_field(alice: Person) -> None:
    instance = connect(alice)
    with alice.world.acting():
        Entitlement.objects.update(valid_until=timezone.now() - timedelta(days=1))

    assert leave(alice, instance, "base_url", **GOOD).status_code == 403


def test_without_a_script_the_form_says_all_of_it_when_it_is_sent(alice: Person) -> None:
    instance = connect(alice)

    url = reverse("portal:connector_configure", args=[instance.pk])
    response = alice.browser().post(url, {"base_url": "ftp://x", "client_id": "a b"})

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"base_url", "client_id", "client_secret"}
    assert 'aria-describedby="id_base_url_helptext id_base_url_said"' in response.content.decode()


@pytest.mark.browser
def test_in_a_browser_the_field_is_marked_and_the_secret_stays_where_it_is(
    page: Page, as_person, alice: Person
) -> None:
    instance = connect(alice)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    as_person(alice)
    page.goto(reverse("portal:connector_instance", args=[instance.pk]))
    address, key = page.get_by_label("Address of your HaloPSA"), page.get_by_label("Client secret")
    told = page.locator("#id_base_url_said")

    key.fill(SECRET)
    address.fill("ftp://acme")
    address.press("Tab")
    expect(told).to_contain_text("Give an address that starts with https://")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(told).to_have_attribute("aria-live", "polite")
    address.fill("https://acme.halopsa.com")
    key.focus()
    expect(told).to_have_text("Fine")
    expect(address).not_to_have_attribute("aria-invalid", "true")
    key.fill(SECRET + "x")
    page.get_by_label("Client ID", exact=True).fill("app-1")
    page.get_by_label("Good until").focus()
    expect(page.locator("#id_client_id_said")).to_have_text("Fine")

    asked = [each for each in sent if "/configure/field/" in each]
    assert len(asked) == 3
    assert not [each for each in sent if SECRET in each]
