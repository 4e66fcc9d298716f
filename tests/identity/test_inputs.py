"""Every input of identity's API and forms: what is another tenant's is as unknown as what does not exist."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import Client as Browser
from rest_framework import serializers as drf

from identity import forms, serializers
from identity.roles import Role
from identity.selectors import acting_principal
from identity.tokens import read_access_token
from msplex import settings as product
from tenants.ids import uuid7
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_machine, make_person
from tests.identity.rooms import Body, answer

pytestmark = pytest.mark.usefixtures("whole_portal")

# Ids in bodies.

VALID: dict[type[drf.Serializer[Any]], Callable[[TenantWorld], Body]] = {
    serializers.BindingIn: lambda _: {"role": "viewer"},
    serializers.CustomerIn: lambda _: {"name": "Dental", "key": f"k-{uuid7().hex[-8:]}"},
    serializers.InvitationIn: lambda _: {"email": f"{uuid7().hex}@x.example", "role": "viewer"},
    serializers.ServiceAccountIn: lambda world: {
        "name": uuid7().hex, "purpose": "tests", "role": "viewer", "owner": str(make_person(world).id),
    },
    serializers.ServiceAccountChange: lambda _: {},
    serializers.RotationIn: lambda _: {},
    serializers.DomainsIn: lambda _: {"domains": []},
}  # fmt: skip
TAKEN_BY: dict[type[drf.Serializer[Any]], list[str]] = {
    serializers.BindingIn: ["/api/v1/members/{member}/bindings/", "/api/v1/service-accounts/{account}/bindings/"],
    serializers.CustomerIn: ["/api/v1/customers/"],
    serializers.InvitationIn: ["/api/v1/invitations/"],
    serializers.ServiceAccountIn: ["/api/v1/service-accounts/"],
    serializers.ServiceAccountChange: ["/api/v1/service-accounts/{account}/"],
    serializers.RotationIn: ["/api/v1/service-accounts/{account}/secrets/"],
    serializers.DomainsIn: ["/api/v1/customers/{customer}/domains/"],
}
ID_FIELDS = (drf.UUIDField, drf.RelatedField, drf.ManyRelatedField)


def _classes(module: Any, base: type) -> list[type[Any]]:
    own = (each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base))
    return [each for each in own if each.__module__ == module.__name__]


SERIALIZERS = _classes(serializers, drf.BaseSerializer)
INPUTS = [each for each in SERIALIZERS if any(not field.read_only for field in each().fields.values())]
FORMS = _classes(forms, django_forms.BaseForm)
BODY_IDS = [
    pytest.param(path, each, name, field, id=f"{path}-{name}")
    for each in TAKEN_BY
    for path in TAKEN_BY[each]
    for name, field in each().fields.items()
    if isinstance(field, ID_FIELDS)
]


def test_the_walk_meets_every_input() -> None:
    inputs = {each for each in INPUTS if not issubclass(each, drf.ModelSerializer)}
    assert inputs == VALID.keys() == TAKEN_BY.keys()
    assert {(param.values[1].__name__, param.values[2]) for param in BODY_IDS} == {
        ("BindingIn", "customer"),
        ("InvitationIn", "customer"),
        ("ServiceAccountIn", "customers"),
        ("ServiceAccountIn", "owner"),
        ("ServiceAccountChange", "owner"),
    }


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def globex() -> TenantWorld:
    return make_tenant("globex")


@pytest.fixture
def api(acme: TenantWorld) -> Browser:
    return make_person(acme, Role.ADMIN).browser()  # what needs a second factor is not for machines


@pytest.fixture
def post(api: Browser, acme: TenantWorld) -> Callable[[str, Body], HttpResponse]:
    places = {"member": make_person(acme, Role.BILLING).id, "account": make_machine(acme, Role.BILLING).id}

    def send(path: str, body: Body) -> HttpResponse:
        ask = api.patch if path.endswith("{account}/") else api.post
        return ask(path.format_map(places), body, content_type="application/json")

    return send


def _other(world: TenantWorld, name: str) -> object:
    return make_person(world).id if name == "owner" else world.customers[0].id


@pytest.mark.parametrize(("path", "serializer", "name", "field"), BODY_IDS)
def test_a_foreign_id_in_a_body_is_as_unknown_as_none(
    post, acme: TenantWorld, globex: TenantWorld, path: str, serializer: Any, name: str, field: Any
) -> None:  # fmt: skip
    def ask(identifier: object) -> tuple[int, bytes, dict[str, str]]:
        sent = [str(identifier)] if isinstance(field, drf.ManyRelatedField) else str(identifier)
        return answer(post(path, VALID[serializer](acme) | {name: sent}), identifier)

    unknown = ask(uuid7())
    assert unknown[0] == 400
    assert ask(_other(globex, name)) == unknown
    assert ask(_other(acme, name))[0] in {200, 201}


@pytest.mark.parametrize("malformed", ["x", "-" * 36, "", 1, None, ["x"], {"a": 1}, "\0"])
@pytest.mark.parametrize(("path", "serializer", "name", "field"), BODY_IDS)
def test_a_malformed_id_in_a_body_is_a_field_to_mend(
    post, acme: TenantWorld, path: str, serializer: Any, name: str, field: Any, malformed: object
) -> None:  # fmt: skip
    response = post(path, VALID[serializer](acme) | {name: malformed})

    allowed = malformed in (None, "") and not isinstance(field, drf.ManyRelatedField) and name != "owner"
    assert response.status_code in ({400, 201} if allowed else {400}), response.content
    if response.status_code == 400:
        assert list(response.json()["fields"]) == [name]


@pytest.mark.parametrize("role", Role)
def test_a_role_says_nothing_of_a_foreign_customer(post, globex: TenantWorld, role: Role) -> None:
    def ask(path: str, customer: object) -> tuple[int, bytes, dict[str, str]]:
        body = {"role": role.value, "customer": str(customer), "email": "e@x.example", "name": "E"}
        return answer(post(path, body), customer)

    for path in (*TAKEN_BY[serializers.BindingIn], *TAKEN_BY[serializers.InvitationIn]):
        unknown = ask(path, uuid7())
        assert unknown[0] == 400
        assert ask(path, globex.customers[0].id) == unknown


# Forms, and what names a tenant.


@pytest.mark.parametrize("form", [form for form in FORMS if not form.__name__.startswith("_")])
def test_a_foreign_choice_of_a_form_is_as_unknown_as_none(
    form: type[django_forms.Form], acme: TenantWorld, globex: TenantWorld
) -> None:
    alice, mallory, machine = make_person(acme), make_person(globex), make_machine(acme)
    foreign = {"owner": mallory.id}

    with acme.acting():
        principal = {"principal": acting_principal(alice.id)} if issubclass(form, forms._RoleForm) else {}
        if form is forms.AmendForm:
            principal = {"account": machine.account}
        for name, field in form(**principal).fields.items():
            if isinstance(field, django_forms.ModelChoiceField):
                unknown, other = uuid7(), foreign.get(name, globex.customers[0].id)
                assert _refusal(field, other) == _refusal(field, unknown)


def _refusal(field: django_forms.ModelChoiceField, identifier: object) -> list[str]:
    many = isinstance(field, django_forms.ModelMultipleChoiceField)
    with pytest.raises(ValidationError) as refused:
        field.clean([str(identifier)] if many else str(identifier))
    return [message.replace(str(identifier), "ID") for message in refused.value.messages]


def test_no_input_and_no_answer_names_a_tenant() -> None:
    fields = [name for each in SERIALIZERS for name in each().fields]
    fields += [name for form in FORMS for name in itertools.chain(form.base_fields, form.declared_fields)]
    assert len(fields) > 30
    assert [name for name in fields if "tenant" in name] == []


@pytest.mark.parametrize("name", ["tenant", "tenant_id", "customers", "epoch", "sub"])
def test_the_token_endpoint_takes_no_tenant(acme: TenantWorld, globex: TenantWorld, name: str) -> None:
    machine = make_machine(acme, customers=(acme.customers[0],))
    given = {"tenant": globex.id, "tenant_id": globex.id, "customers": acme.customers[1].id, "epoch": 9, "sub": uuid7()}
    form = {"grant_type": "client_credentials", "client_id": machine.client_id, "client_secret": machine.secret}

    answer = Browser().post(
        f"/oauth/token?{name}={given[name]}", form | {name: str(given[name])}, headers={"X-Tenant": str(globex.id)}
    )
    claims = read_access_token(answer.json()["access_token"], audience=product.GATEWAY_RESOURCE)

    assert (claims.tenant_id, claims.customers) == (acme.id, (acme.customers[0].id,))
    assert (claims.principal_id, claims.epoch) == (machine.id, 1)
