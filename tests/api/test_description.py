"""The API holds what its description says (schemathesis): for each operation, as each of several callers.

Requests that fit the description and requests that do not, always the same ones. Another run finds nothing new: more
examples do (MSPLEX_EXAMPLES=200).
"""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import schemathesis
from django.conf import settings as product
from django.core.wsgi import get_wsgi_application
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audit.selectors import events
from connectors.services import map_customer, start_instance
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_machine, make_person
from tests.identity.rooms import OBJECTS
from tests.portal.factories import make_call

EXAMPLES = int(os.environ.get("MSPLEX_EXAMPLES", "0"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def load() -> Any:
    described = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for operations in described["paths"].values():
        for operation in operations.values():
            operation.pop("security")  # each caller has its own credential, or none
    schema = schemathesis.openapi.from_dict(described)
    schema.app = get_wsgi_application()
    return schema


OPERATIONS = {found.ok().label: found.ok() for found in load().get_all_operations()}


@dataclasses.dataclass
class Caller:
    world: TenantWorld
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cookies: dict[str, str] = dataclasses.field(default_factory=dict)


def person(role: Role, *, of_customer: bool = False) -> Callable[[], Caller]:
    def enter() -> Caller:
        world = make_tenant("acme")
        customer = world.customers[0] if of_customer else None
        browser = make_person(world, role, customer=customer).browser()
        secret = _get_new_csrf_string()
        cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
        return Caller(world, {"X-CSRFToken": secret}, cookies | {product.CSRF_COOKIE_NAME: secret})

    return enter


def machine() -> Caller:
    world = make_tenant("acme")
    token = make_machine(world, Role.ADMIN).token(product.API_RESOURCE)
    return Caller(world, {"Authorization": f"Bearer {token}"})


CALLERS: dict[str, tuple[Callable[[], Caller], int]] = {
    "owner": (person(Role.OWNER), 10),
    "viewer": (person(Role.VIEWER), 3),
    "customer manager": (person(Role.CUSTOMER_MANAGER, of_customer=True), 3),
    "service account": (machine, 3),
    "nobody": (lambda: Caller(make_tenant("acme")), 1),
}


@pytest.fixture(scope="module")
def callers(_database: None) -> Callable[[str], Caller]:
    entered: dict[str, Caller] = {}

    def enter(name: str) -> Caller:
        if name not in entered:
            entered[name] = CALLERS[name][0]()
        return entered[name]

    return enter


def _instance(world: TenantWorld) -> dict[str, UUID]:
    with world.acting():
        instance = start_instance("halopsa", by=SETUP)
        mapping = map_customer(instance, customer=world.customers[0], external_id=str(uuid4().int % 10**9), by=SETUP)
    return {"id": instance.pk, "mapping": mapping.pk}


def _event(world: TenantWorld) -> dict[str, UUID]:
    OBJECTS["customer"](world)  # which is written down
    with world.acting():
        return {"id": events().latest("id").pk}


PLACES: dict[str, Callable[[TenantWorld], dict[str, Any]]] = {
    "audit-events": _event,
    "connector-instances": _instance,
    "connectors": lambda _: {"id": "halopsa"},
    "tool-calls": lambda world: {"id": make_call(world).pk},
}


def objects(world: TenantWorld, path: str) -> dict[str, str]:
    """Ids of what is there, new for each test; of nothing, where neither table knows how to make it."""
    place = path.split("/")[3]
    if "{" not in path:
        return {}
    make = PLACES.get(place) or OBJECTS.get(place.removesuffix("s"))
    if make is None:
        return dict.fromkeys(re.findall(r"{(\w+)}", path), str(uuid4()))
    made = make(world)
    return {name.replace("pk", "id"): str(value) for name, value in made.items()}


def cases(operation: Any) -> Any:
    """Half of the requests fit the description, half of them do not; of both, most are about what is there."""
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query or operation.path_parameters:
        modes.append(GenerationMode.NEGATIVE)
    return st.tuples(st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]), st.integers(0, 3))


def point_at(case: Any, ids: dict[str, str]) -> None:
    parts = case.meta.components if case.meta else {}
    path = parts.get(ParameterLocation.PATH)
    if case.path_parameters and (path is None or path.mode is GenerationMode.POSITIVE):
        case.path_parameters.update({name: ids[name] for name in case.path_parameters})


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("label", OPERATIONS)
def test_the_api_holds_its_description(callers: Callable[[str], Caller], label: str, who: str) -> None:
    operation, caller = OPERATIONS[label], callers(who)
    ids = objects(caller.world, operation.path)
    seen: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES or CALLERS[who][1],
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operation))
    def ask(drawn: tuple[Any, int]) -> None:
        case, chance = drawn
        if chance:
            point_at(case, ids)
        response = case.call(headers=caller.headers, cookies=caller.cookies)
        if not any("." in str(value) for value in (case.path_parameters or {}).values()):
            seen[response.status_code] += 1  # with a dot it is no address of ours, and nobody is asked for who they are
        case.validate_response(response, checks=CHECKS)

    ask()

    assert set(seen) <= {401} if who == "nobody" else 401 not in seen or seen[401] < seen.total()


FILTERS = [
    (path, parameter["name"], parameter["schema"])
    for path, operations in SchemaGenerator().get_schema(request=None, public=True)["paths"].items()  # type: ignore[no-untyped-call]
    for parameter in operations.get("get", {}).get("parameters", ())
    # A number must be one, and a trace wants one of two.
    if parameter["in"] == "query" and parameter["schema"].get("type") != "integer"
    if not parameter.get("required") and "{" not in path and not path.endswith("/trace/")
]


@pytest.mark.parametrize(("path", "name", "schema"), FILTERS, ids=lambda given: given if isinstance(given, str) else "")
def test_a_filter_that_is_left_empty_narrows_nothing_and_is_described_so(
    callers: Callable[[str], Caller], path: str, name: str, schema: dict[str, Any]
) -> None:
    caller = callers("owner")
    client = Client()
    client.cookies.load(caller.cookies)

    answer = client.get(path, {name: ""}, headers=caller.headers)

    assert answer.status_code == 200
    assert Draft202012Validator(schema, format_checker=FormatChecker()).is_valid("")
