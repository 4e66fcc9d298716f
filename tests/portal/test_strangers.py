"""Another tenant's object does not exist: at every address with an id, in every list and form, in portal and API.

The addresses come from the resolver. One whose ids tests/portal/ids.py does not know fails here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import django_filters
import pytest
from django import forms
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve, reverse
from drf_spectacular.generators import SchemaGenerator

from connectors.models import Pause
from identity.roles import Role
from msplex.portal import forms as portal_forms
from msplex.portal import grant_forms, import_forms, policy_forms
from msplex.portal.filters import CallFilter
from tests.conftest import as_role
from tests.identity.factories import PASSWORD, make_machine, make_person
from tests.portal.factories import Furnished, furnish
from tests.portal.ids import Find, agent_at_host, customer_of, imported_of, instance_of, of, owner_of, with_ids
from tests.routes import Route, routes
from tests.strangers import seen

JSON = "application/json"
PRIVATE = {
    "api:passkey-detail", "api:saved-filter-detail", "api:notification-detail", "api:notification-acknowledge",
    "api:notification-snooze",
}  # fmt: skip  # there for its owner alone
FULL = {
    "name": "New", "key": "new", "role": "viewer", "external_id": "77", "email": "new@acme.example",
    "password": PASSWORD, "base_url": "https://acme.halopsa.com", "client_id": "acme-app", "client_secret": "x" * 20,
    "settings": {"base_url": "https://acme.halopsa.com", "client_id": "acme-app"},
}  # fmt: skip


@pytest.fixture(scope="module")
def acme(_database: None) -> Furnished:
    return furnish("acme")


@pytest.fixture(scope="module")
def globex(_database: None) -> Furnished:
    return furnish("globex")


def twins(acme: Furnished, globex: Furnished, route: Route) -> Iterator[tuple[dict[str, UUID], dict[str, UUID]]]:
    """Ids of another tenant, and unknown ones: all of them, and the last one alone below an object of one's own."""
    yield of(acme, route), {parameter: uuid4() for parameter in route.parameters}
    if len(route.parameters) > 1:
        own, inner = of(globex, route), route.parameters[-1]
        yield own | {inner: of(acme, route)[inner]}, own | {inner: uuid4()}


def assert_alike(ask: Callable[[str], HttpResponse], route: Route, *asked: dict[str, UUID]) -> None:
    foreign, unknown = (seen(ask(route.address(**ids)), *ids.values()) for ids in asked)

    assert foreign == unknown


@pytest.mark.parametrize("route", with_ids("portal"), ids=lambda route: route.name)
def test_a_page_or_button_of_another_tenant_is_like_an_unknown_one(
    acme: Furnished, globex: Furnished, route: Route
) -> None:
    browser = globex.owner.browser()
    statuses = set()

    for foreign, unknown in twins(acme, globex, route):
        for data in (None, {}, FULL):
            ask = browser.get if data is None else lambda url, data=data: browser.post(url, data)
            assert_alike(ask, route, foreign, unknown)
            statuses.add(ask(route.address(**unknown)).status_code)

    assert statuses <= {404, 405}
    assert 404 in statuses


@pytest.mark.parametrize("route", with_ids("api"), ids=lambda route: route.name)
def test_an_api_route_of_another_tenant_is_like_an_unknown_one(
    acme: Furnished, globex: Furnished, route: Route
) -> None:
    client = globex.owner.browser()

    for foreign, unknown in twins(acme, globex, route):
        for method in route.actions:
            for data in ({}, FULL):
                ask = _api(client, method, data)
                assert_alike(ask, route, foreign, unknown)
                assert ask(route.address(**unknown)).status_code == 404


def _api(client: Client, method: str, data: dict[str, Any]) -> Callable[[str], HttpResponse]:
    if method == "get":
        return client.get
    return lambda url: getattr(client, method)(url, data, JSON)


@pytest.mark.parametrize("route", [*with_ids("portal"), *with_ids("api")], ids=lambda route: route.name)
def test_ones_own_object_is_there(route: Route) -> None:
    """Or the walks above would compare nothing with nothing."""
    it = furnish("own")
    url = route.address(**of(it, route))
    if route.name.startswith("api:"):
        another = make_person(it.world, Role.OWNER, name="other")  # nobody changes their own, but for what is private
        client = (it.owner if route.name in PRIVATE else another).browser()
        deleting_last = sorted(route.actions, key=lambda method: method == "delete")
        statuses = {_api(client, method, {})(url).status_code for method in deleting_last}
    else:
        statuses = {it.owner.browser().get(url).status_code, it.owner.browser().post(url, {}).status_code}

    assert 404 not in statuses
    assert statuses & {200, 201, 202, 204, 302, 400, 409, 422}


ID_FILTERS = {"customer": customer_of, "instance": instance_of, "principal": lambda it: it.call.principal_id}


def test_every_filter_by_id_is_walked() -> None:
    by_id = (django_filters.UUIDFilter, django_filters.ModelChoiceFilter)

    assert {name for name, each in CallFilter.base_filters.items() if isinstance(each, by_id)} == set(ID_FILTERS)


@pytest.mark.parametrize("door", ["portal", "api"])
@pytest.mark.parametrize("name", ID_FILTERS)
def test_a_filter_by_another_tenants_id_is_like_one_by_an_unknown_id(
    acme: Furnished, globex: Furnished, name: str, door: str
) -> None:
    client = globex.owner.browser() if door == "portal" else make_machine(globex.world, Role.OWNER).api()
    url = reverse("portal:calls") if door == "portal" else reverse("api:tool-call-list")
    foreign, unknown, own = ID_FILTERS[name](acme), uuid4(), ID_FILTERS[name](globex)

    answers = [seen(client.get(url, {name: each}), each) for each in (foreign, unknown)]

    assert answers[0] == answers[1]
    assert str(globex.call.pk) not in answers[0]["body"]
    assert str(globex.call.pk) in client.get(url, {name: own}).content.decode()


ROLE = {"role": "customer_viewer"}
PERSON = {"name": "New", "email": "new@globex.example", "password": PASSWORD, **ROLE}
RULE = {
    "name": "New", "effect": "refuse", "conditions-TOTAL_FORMS": "0", "conditions-INITIAL_FORMS": "0",
}  # fmt: skip
HELD = {
    "tool": "halopsa_add_note", "reason": "New", "uses": "1", "not_after": "2030-01-01T00:00", "critical_alert": "on",
}  # fmt: skip
ACCOUNT = {"name": "New", "purpose": "New", "role": "viewer", "lifetime": "90"}
# (room, field) -> what is to be sent beside it
FORM_FIELDS: dict[tuple[str, str], dict[str, str]] = {
    ("connector_map", "customer"): {"external_id": "77"},
    ("connector_tool_try", "customer"): {},
    ("grant_new", "agent"): HELD,
    ("host_agent_add", "customer"): {"name": "SRV"},
    ("people_invite", "customer"): PERSON,
    ("policy_rule_new", "customer"): RULE,
    ("person_bind", "customer"): ROLE,
    ("service_account_bind", "customer"): ROLE,
    ("service_account_new", "customers"): ACCOUNT,
    ("service_account_new", "owner"): ACCOUNT,
}
FORMS = {
    "GrantForm": ("grant_new",),
    "HostAgentForm": ("host_agent_add",),
    "BindingForm": ("person_bind", "service_account_bind"),
    "DryRunForm": ("connector_tool_try",),
    "InvitationForm": ("people_invite",),
    "MappingForm": ("connector_map",),
    "RuleForm": ("policy_rule_new",),
    "ServiceAccountForm": ("service_account_new",),
}


def pause_of(it: Furnished) -> UUID:
    with as_role("worker"), it.world.acting():
        return Pause.objects.create(instance_id=it.instance.pk, call_id=uuid4(), tool="tests").pk


VALUES: dict[str, Find] = {
    "agent": agent_at_host,
    "instance": instance_of,
    "through": pause_of,
    "customer": customer_of,
    "customers": customer_of,
    "owner": owner_of,
    "principal": owner_of,
    "tool": imported_of,
}


GRANTS = (grant_forms.GrantForm, grant_forms.HostAgentForm)


def test_every_form_field_by_id_is_walked() -> None:
    modules = (*vars(portal_forms).values(), policy_forms.RuleForm, import_forms.DryRunForm, *GRANTS)
    classes = [each for each in modules if isinstance(each, type) and issubclass(each, forms.Form)]
    fields = {
        (room, name)
        for form in classes
        for name, field in form.base_fields.items()
        if isinstance(field, forms.ModelChoiceField)
        for room in FORMS[form.__name__]
    }

    assert fields == set(FORM_FIELDS)


@pytest.mark.parametrize(("room", "field"), FORM_FIELDS)
def test_another_tenants_id_in_a_form_is_like_an_unknown_one(
    acme: Furnished, globex: Furnished, room: str, field: str
) -> None:
    browser, route = globex.owner.browser(), next(each for each in routes("portal") if each.name == f"portal:{room}")
    url, beside = route.address(**of(globex, route)), FORM_FIELDS[room, field]
    foreign, unknown = VALUES[field](acme), uuid4()

    answers = [seen(browser.post(url, {**beside, field: each}), each) for each in (foreign, unknown)]

    assert answers[0] == answers[1]
    assert answers[0]["status"] == 422


# (route, field) -> what is to be sent beside it
BODY_FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("api:audit-cosignature-list", "customer"): {"note": "a note", "witness": "a key"},
    ("api:audit-pack-list", "customer"): {"month": "2026-04"},
    ("api:connector-instance-client-source", "tool"): {"seen_digest": "0" * 64, "client_id": "id", "name": "name"},
    ("api:connector-instance-mappings", "customer"): {"external_id": "77"},
    ("api:connector-instance-resume", "through"): {"reason": "Looked"},
    ("api:held-grant-list", "agent"): HELD | {"not_after": "2030-01-01T00:00:00Z", "critical_alert": True},
    ("api:host-agent-list", "customer"): {"name": "SRV"},
    ("api:imported-tool-describe", "instance"): {"description": "{}"},
    ("api:imported-tool-discover", "instance"): {},
    ("api:imported-tool-dry-runs", "customer"): {},
    ("api:invitation-list", "customer"): PERSON,
    ("api:member-bind", "customer"): ROLE,
    ("api:explanation-list", "principal"): {"tool": "halopsa_list_tickets"},
    ("api:tool-rule-detail", "customer"): {},
    ("api:tool-rule-list", "customer"): {"name": "New", "effect": "refuse"},
    ("api:service-account-bind", "customer"): ROLE,
    ("api:service-account-detail", "owner"): {},
    ("api:service-account-list", "customers"): {"name": "New", "purpose": "New", "role": "viewer"},
    ("api:service-account-list", "owner"): {"name": "New", "purpose": "New", "role": "viewer"},
    ("api:session-revoke-all", "principal"): {},
}


def _fields_of_bodies() -> Iterator[tuple[str, str]]:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for path, operations in schema["paths"].items():
        name = resolve(re.sub(r"{\w+}", str(uuid4()), path)).view_name
        for operation in operations.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            component = schema["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
            for field, described in component.get("properties", {}).items():
                if "uuid" in {described.get("format"), described.get("items", {}).get("format")}:
                    yield name, field


def test_every_body_field_by_id_is_walked() -> None:
    assert set(_fields_of_bodies()) == set(BODY_FIELDS)


@pytest.mark.parametrize(("name", "field"), BODY_FIELDS)
def test_another_tenants_id_in_a_body_is_like_an_unknown_one(
    acme: Furnished, globex: Furnished, name: str, field: str
) -> None:
    client, route = globex.owner.browser(), next(r for r in routes("api") if r.name == name)
    url, beside = route.address(**of(globex, route)), BODY_FIELDS[name, field]
    foreign, unknown = VALUES[field](acme), uuid4()
    send = client.patch if "patch" in route.actions else client.post

    answers = [
        seen(send(url, {**beside, field: [str(each)] if field == "customers" else str(each)}, JSON), each)
        for each in (foreign, unknown)
    ]

    assert answers[0] == answers[1]
    assert answers[0]["status"] == 400
