"""Every address and every input of identity's API: what is another tenant's is as unknown as what does not exist.

The routes are read from the resolver and the inputs from the serializers and forms: a new one is tested, or fails here
until it says how.
"""

import dataclasses
import itertools
import math
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, get_resolver, reverse
from rest_framework import serializers as drf

from identity import forms, serializers
from identity.models import AgentSession, Passkey, Session, User
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services import add_key, create_customer, invite
from identity.tokens import read_access_token
from msplex import settings as product
from tenants.ids import uuid7
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_machine, make_member, make_person
from tests.identity.signing import public_key
from tests.oauth.flow import McpClient

pytestmark = pytest.mark.usefixtures("whole_portal")
Ids = dict[str, Any]
Body = dict[str, Any]
MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:[^']*'::timestamptz")  # by which a session is looked up
MALFORMED = ["x", "-" * 36, "0" * 36, "g" * 8 + str(uuid7())[8:], "é", "\0", "x" * 3000, "' OR '1'='1"]
PAIRS, LOUDEST, TIMES = 60, 1.2, 4


# What each route needs. Made anew for every test, in the tenant that is asked for.


def _member(world: TenantWorld) -> Ids:
    user = make_person(world, Role.VIEWER, name="routed").user
    return {"pk": user.pk, "binding": _binding(world, user.pk)}


def _service_account(world: TenantWorld) -> Ids:
    account = make_machine(world, Role.VIEWER)
    with world.acting():
        secret = account.account.secrets.get().pk
        key = add_key(account.account, public_key=public_key(), by=SETUP).pk
    return {"pk": account.id, "binding": _binding(world, account.id), "secret": secret, "key": key}


def _binding(world: TenantWorld, principal: UUID) -> UUID:
    with world.acting():
        return serializers.RoleBinding.objects.get(principal_id=principal).pk


def _customer(world: TenantWorld) -> Ids:
    with world.acting():
        return {"pk": create_customer(name="Routed", key=f"routed-{uuid7().hex[-8:]}", by=SETUP).pk}


def _invitation(world: TenantWorld) -> Ids:
    with world.acting():
        return {"pk": invite(email=f"{uuid7().hex}@x.example", role=Role.VIEWER, by=SETUP).pk}


def _agent(world: TenantWorld) -> Ids:
    McpClient.registered().tokens(make_member(world, Role.OPERATOR, name="routed"), world.customers[0])
    with world.acting():
        return {"pk": AgentSession.objects.latest("id").pk}


def _passkey(world: TenantWorld) -> Ids:
    """Of who asks, for others have none to see; and a second one, for the last factor stays."""
    with world.acting():
        asking = User.objects.filter(name="Alice").first()
    user = asking or make_person(world).user
    with world.acting():
        for name in ("Phone", "Laptop"):
            made = Passkey.objects.create(user=user, name=name, credential_id=uuid7().bytes)
    return {"pk": made.pk}


def _session(world: TenantWorld) -> Ids:
    person = make_person(world, Role.VIEWER, name="routed")
    person.browser()
    with world.acting():
        return {"pk": Session.objects.get(principal_id=person.id).pk}


OBJECTS: dict[str, Callable[[TenantWorld], Ids]] = {
    "account": lambda _: {},
    "agent": _agent,
    "binding": lambda _: {},
    "customer": _customer,
    "invitation": _invitation,
    "member": _member,
    "passkey": _passkey,
    "second-factor": lambda _: {},
    "second-factor-passkey": lambda _: {},
    "security-policy": lambda _: {},
    "service-account": _service_account,
    "service-account-key": _service_account,
    "session": _session,
    "session-revoke": lambda _: {},
}
BODIES: dict[str, Body] = {
    "add_key": {"public_key": public_key()},
    "bind": {"role": "operator"},
    "domains": {"domains": []},
    "partial_update": {},
    "passkey-partial_update": {"name": "Routed"},
    "rotate": {},
}  # by action, or by room and action; the others take none


@dataclasses.dataclass(frozen=True)
class Route:
    room: str
    action: str
    method: str
    name: str
    ids: tuple[str, ...]

    def ask(self, api: Browser, ids: Ids) -> HttpResponse:
        path = reverse(self.name, urlconf="msplex.urls", kwargs={key: str(ids[key]) for key in self.ids})
        return self.ask_path(api, path)

    def ask_path(self, api: Browser, path: str) -> HttpResponse:
        body = BODIES.get(str(self), BODIES.get(self.action))
        return getattr(api, self.method)(path, body, content_type="application/json")

    def objects(self, world: TenantWorld) -> Ids:
        make = OBJECTS.get(self.room)
        made = make(world) if make else {}
        missing = set(self.ids) - made.keys()
        if missing:
            pytest.fail(f"{self.name}: say in OBJECTS[{self.room!r}] how to make {', '.join(sorted(missing))}")
        return made

    def __str__(self) -> str:
        return f"{self.room}-{self.action}"


def _patterns(resolver: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield ":".join([*names, pattern.name or ""]), pattern
        else:
            yield from _patterns(pattern, (*names, pattern.namespace) if pattern.namespace else names)


def _routes() -> list[Route]:
    found = []
    for name, pattern in _patterns(get_resolver("msplex.urls")):
        view = getattr(pattern.callback, "cls", None)
        if view is None or not view.__module__.startswith("identity.api"):
            continue
        room = name.rpartition(":")[2].rsplit("-", 1)[0]
        ids = tuple(pattern.pattern.regex.groupindex)
        found += [Route(room, action, method, name, ids) for method, action in pattern.callback.actions.items()]
    return found


ROUTES = _routes()
DETAILS = [route for route in ROUTES if route.ids]
PLACES = [pytest.param(route, key, id=f"{route}-{key}") for route in DETAILS for key in route.ids]


def test_the_walk_meets_the_rooms() -> None:
    assert {route.room for route in ROUTES} == OBJECTS.keys()
    assert len(DETAILS) >= 12


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def globex() -> TenantWorld:
    return make_tenant("globex")


@pytest.fixture
def api(acme: TenantWorld) -> Browser:
    return make_person(acme, Role.ADMIN).browser()  # what needs a second factor is not for machines


def _answer(response: HttpResponse, *hidden: object) -> tuple[int, bytes, dict[str, str]]:
    """All that can be told apart, but for the ids that the caller sent and gets back."""
    content = response.content
    for identifier in hidden:
        content = content.replace(str(identifier).encode(), b"ID")
    return response.status_code, content, {k: v for k, v in response.headers.items() if k != "Date"}


# Ids in addresses.


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_foreign_id_in_an_address_is_as_unknown_as_none(
    route: Route, key: str, api: Browser, acme: TenantWorld, globex: TenantWorld
) -> None:
    own, foreign = route.objects(acme), route.objects(globex)

    def ask(**changed: object) -> tuple[tuple[int, bytes, dict[str, str]], list[str]]:
        ids = own | changed
        with CaptureQueriesContext(connection) as queries:
            response = route.ask(api, ids)
        sql = [query["sql"] for query in queries.captured_queries]
        return _answer(response), [_without(text, *ids.values()) for text in sql]

    unknown = ask(**{key: uuid7()})
    assert unknown[0][0] == 404
    assert ask(**{key: foreign[key]}) == unknown
    if len(route.ids) > 1:
        assert ask(**{name: foreign[name] for name in route.ids})[0] == unknown[0]
    assert ask()[0][0] < 400  # the object that is one's own is there


def _without(sql: str, *ids: object) -> str:
    for identifier in ids:
        for text in (str(identifier), identifier.hex if isinstance(identifier, UUID) else str(identifier)):
            sql = sql.replace(text, "ID")
    return MOMENT.sub("MOMENT", sql)


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_malformed_id_in_an_address_is_unknown(route: Route, key: str, api: Browser, acme: TenantWorld) -> None:
    own = route.objects(acme)
    mark = str(uuid7())
    path = reverse(route.name, urlconf="msplex.urls", kwargs={name: str(own[name]) for name in route.ids} | {key: mark})

    answers = {bad: route.ask_path(api, path.replace(mark, quote(bad, safe=""))) for bad in MALFORMED}

    assert {bad: response.status_code for bad, response in answers.items()} == dict.fromkeys(MALFORMED, 404)
    bodies = {(response.content, response["Content-Type"]) for response in answers.values()}
    unknown = route.ask_path(api, path)
    assert bodies == {(unknown.content, unknown["Content-Type"])}


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_foreign_id_takes_as_long_as_an_unknown_one(
    route: Route, key: str, api: Browser, acme: TenantWorld, globex: TenantWorld
) -> None:
    """Both of a pair at once, in random order, so that whatever else the machine does meets both alike.

    Noise passes when looked at again, and longer; what tells the two apart does not.
    """
    own, foreign = route.objects(acme), route.objects(globex)

    def seconds(identifier: object) -> float:
        started = time.perf_counter()
        route.ask(api, own | {key: identifier})
        return time.perf_counter() - started

    ratios = []
    for pairs in [PAIRS * 2**again for again in range(TIMES)]:
        ratios.append(_ratio(seconds, foreign[key], pairs))
        if 1 / LOUDEST < ratios[-1] < LOUDEST:
            return
    pytest.fail(f"{route}: a foreign {key} takes {ratios} times as long as an unknown one")


def _ratio(seconds: Callable[[object], float], foreign: object, pairs: int) -> float:
    """The typical ratio within a pair: one slow request spoils one pair, not the result."""
    logs = []
    for _ in range(pairs):
        order = [(0, foreign), (1, uuid7())]
        random.shuffle(order)
        taken = {which: seconds(identifier) for which, identifier in order}
        logs.append(math.log(taken[0] / taken[1]))
    return math.exp(statistics.median(logs))


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
        return _answer(post(path, VALID[serializer](acme) | {name: sent}), identifier)

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
        return _answer(post(path, body), customer)

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
