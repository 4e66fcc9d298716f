"""IT Glue's tool that changes something. The body is built field by field, and the organisation stands in the path."""

from collections.abc import Mapping
from typing import Any

from connectors.arguments import schema, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.vendors.itglue.client import GlueClient, below
from connectors.vendors.itglue.reads import number
from connectors.vendors.itglue.shapes import CONFIGURATION

_TEXTS = ("name", "hostname", "primary_ip", "serial_number", "asset_tag", "notes")


def _create_configuration(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    attributes = {name: arguments[name] for name in _TEXTS if name in arguments}
    attributes["configuration_type_id"] = int(arguments["configuration_type_id"])
    return Fetched([GlueClient(connection).create(below(customer, "configurations"), "configurations", attributes)])


CREATE_CONFIGURATION = Tool(
    name="create_configuration",
    title="Write down a configuration",
    description=f"A new configuration for the customer of this call. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "name": words("Name.", most=200),
            "configuration_type_id": number("Id of the type."),
            "hostname": words("Name in the network.", most=200),
            "primary_ip": words("Address in the network.", most=50),
            "serial_number": words("Serial number.", most=100),
            "asset_tag": words("Asset tag.", most=100),
            "notes": words("Text. No secrets: what is written here stands in the record of the call.", most=8000),
        },
        required=("name", "configuration_type_id"),
    ),
    output=Output("configuration", CONFIGURATION, many=False),
    run=_create_configuration,
    creates=True,
)
WRITES = (CREATE_CONFIGURATION,)
