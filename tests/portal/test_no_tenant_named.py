"""The tenant comes from who is asking. There is no field, argument or part of an address to put one into."""

import re
from collections.abc import Iterator
from typing import Any

import django_filters
from django import forms
from drf_spectacular.generators import SchemaGenerator

from connectors.catalogue import all_connectors
from connectors.models import ConnectorInstance
from identity.forms import ForgottenForm, SignInForm
from msplex.decision.snapshot import OfferedTool
from msplex.gateway import answers
from tests.routes import routes

NAMES_ONE = re.compile(r"tenant|workspace|(^|[_-])(msp|org|organi[sz]ation|provider|realm)s?([_-]|$)", re.IGNORECASE)
OURS = ("tenants.", "audit.", "identity.", "billing.", "connectors.", "approvals.", "msplex.")
# Where nobody is known yet: the name says at which MSP somebody signs in, and opens nothing by itself.
AT_THE_DOOR = {(SignInForm, "workspace"), (ForgottenForm, "workspace")}


def _names(schema: Any) -> Iterator[str]:
    """Of every property at any depth, and of every parameter."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        if "in" in schema and "name" in schema:
            yield schema["name"]
        for each in schema.values():
            yield from _names(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _names(each)


def _subclasses(base: type) -> Iterator[type]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def _ours(base: type) -> list[Any]:
    routes("portal")  # has everything imported
    for connector in all_connectors():
        assert connector.settings_form
    return [each for each in _subclasses(base) if each.__module__.startswith(OURS)]


def test_the_words_are_found() -> None:
    assert all(
        map(NAMES_ONE.search, ["tenant", "tenantId", "x_tenant_id", "workspace", "msp", "org_id", "organization"])
    )
    assert not any(map(NAMES_ONE.search, ["organic", "customer", "morgue", "msplex_call"]))


def test_the_api_has_no_field_and_no_parameter_for_a_tenant() -> None:
    names = set(_names(SchemaGenerator().get_schema(request=None, public=True)))

    assert {"customer", "rows_dropped", "limit"} <= names
    assert [name for name in names if NAMES_ONE.search(name)] == []


def test_no_form_and_no_filter_has_a_field_for_a_tenant() -> None:
    fields = [(form, name) for form in _ours(forms.BaseForm) for name in form.base_fields]
    filters = [(each, name) for each in _ours(django_filters.FilterSet) for name in each.base_filters]

    assert len(fields) > 20
    assert len(filters) > 10
    assert {(each, name) for each, name in (*fields, *filters) if NAMES_ONE.search(name)} == AT_THE_DOOR


def test_no_address_has_a_part_for_a_tenant() -> None:
    parameters = {parameter for space in ("portal", "api") for route in routes(space) for parameter in route.parameters}

    assert "pk" in parameters
    assert [parameter for parameter in parameters if NAMES_ONE.search(parameter)] == []


def test_no_tool_has_an_argument_for_a_tenant() -> None:
    """As agents see them."""
    instance = ConnectorInstance(tenant_id=None, name="Service desk")
    tools = [
        answers.tool(OfferedTool(tool.name, instance, connector, tool))
        for connector in all_connectors()
        for tool in connector.tools
    ]
    arguments = {name for tool in tools for name in _names(tool["inputSchema"])}

    assert {"customer", "search", "ticket_id"} <= arguments
    assert [name for name in arguments if NAMES_ONE.search(name)] == []
