"""Hudu's tools that change something. Bodies are built field by field; the company comes from the mapping alone.

An article without a company is one that every customer may read, so none is ever sent without.
"""

import re
from collections.abc import Mapping
from typing import Any

from connectors.arguments import schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.errors import ArgumentsInvalid
from connectors.labels import looks_secret
from connectors.vendors.hudu.client import HuduClient
from connectors.vendors.hudu.reads import ASSET_OF_CUSTOMER, GET_ASSET, with_fields
from connectors.vendors.hudu.shapes import ARTICLE, ASSET, OWNER

_PLAIN = ("name", "primary_serial", "primary_mail", "primary_model", "primary_manufacturer")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_FIELDS = {
    "type": "array",
    "minItems": 1,
    "maxItems": 50,
    "description": "Fields of the layout, by their labels. None that holds a secret.",
    "items": {
        "type": "object",
        "properties": {"label": words("Label of the field.", most=100), "value": words("As text.", most=4000, least=0)},
        "required": ["label", "value"],
        "additionalProperties": False,
    },
}
_ASSET_ARGUMENTS = {
    "name": words("Name.", most=200),
    "primary_serial": words("Serial number.", most=100),
    "primary_mail": words("E-mail address.", most=200),
    "primary_model": words("Model.", most=100),
    "primary_manufacturer": words("Manufacturer.", most=100),
    "fields": _FIELDS,
}


def _create_article(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    article = {"name": arguments["name"], "content": arguments["content"], OWNER: int(customer)}
    return Fetched([HuduClient(connection).save("POST", "/articles", "article", article)])


def _create_asset(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    asset = {**_asset(arguments), "asset_layout_id": int(arguments["asset_layout_id"])}
    saved = HuduClient(connection).save("POST", f"/companies/{int(customer)}/assets", "asset", asset)
    return Fetched([with_fields(saved)])


def _update_asset(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    path = f"/companies/{int(customer)}/assets/{int(arguments['asset_id'])}"
    return Fetched([with_fields(HuduClient(connection).save("PUT", path, "asset", _asset(arguments)))])


def _asset(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Hudu takes a field by its label in snake case; one by its id it ignores without a word."""
    asset = {name: arguments[name] for name in _PLAIN if name in arguments}
    fields = arguments.get("fields", ())
    if any(looks_secret(field["label"]) for field in fields):
        raise ArgumentsInvalid  # a secret would stand in the record of the call
    given = [{_snake(field["label"]): field["value"]} for field in fields]
    return asset | ({"custom_fields": given} if given else {})


def _snake(label: str) -> str:
    return _NO_WORD.sub("_", label.casefold()).strip("_")


_LOOK = Preview(
    read=GET_ASSET,
    kind="Asset",
    name="name",
    by={"asset_id": "asset_id"},
    effects=(
        Effect("Name", "name", "name"),
        Effect("Serial number", "primary_serial", "primary_serial"),
        Effect("E-mail address", "primary_mail", "primary_mail"),
        Effect("Model", "primary_model", "primary_model"),
        Effect("Manufacturer", "primary_manufacturer", "primary_manufacturer"),
        Effect("Fields", "fields", "fields"),
    ),
)
CREATE_ARTICLE = Tool(
    name="create_article",
    title="Write an article",
    description=f"A new article for the customer of this call; it is not shared by link. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {"name": words("Title.", most=200), "content": words("HTML.", most=50_000)}, required=("name", "content")
    ),
    output=Output("article", ARTICLE, many=False),
    run=_create_article,
    creates=True,
)
CREATE_ASSET = Tool(
    name="create_asset",
    title="Write down an asset",
    description=f"A new asset for the customer of this call. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {**_ASSET_ARGUMENTS, "asset_layout_id": whole("Id of the layout.")}, required=("name", "asset_layout_id")
    ),
    output=Output("asset", ASSET, many=False),
    run=_create_asset,
    creates=True,
)
UPDATE_ASSET = Tool(
    name="update_asset",
    title="Change an asset",
    description=f"Name, serial number, model or fields of an asset of the customer of this call. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {**_ASSET_ARGUMENTS, "asset_id": whole("Id of the asset.")}, required=("asset_id",), minProperties=2
    ),
    output=Output("asset", ASSET, many=False),
    run=_update_asset,
    guard=ASSET_OF_CUSTOMER,
    preview=_LOOK,
)
WRITES = (CREATE_ARTICLE, CREATE_ASSET, UPDATE_ASSET)
