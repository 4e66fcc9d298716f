"""IT Glue's tools that read.

By the nested route, which the vendor holds to the organisation, and every row is compared with it. `include` is never
asked for: it adds passwords and tickets.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.arguments import day, page_of, pages, schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Run, Tier, Tool
from connectors.custom_fields import with_custom_fields
from connectors.errors import ArgumentsInvalid, VendorError
from connectors.narrowing import Owner
from connectors.paging import listed
from connectors.shapes import Shape, at
from connectors.vendors.itglue.client import GlueClient, below
from connectors.vendors.itglue.shapes import (
    COMPANY,
    CONFIGURATION,
    CONTACT,
    DOCUMENT,
    DOMAIN,
    EXPIRATION,
    FLEXIBLE_ASSET,
    LISTED_CONFIGURATION,
    LISTED_DOCUMENT,
    LOCATION,
    ORGANIZATION,
)

LARGEST_ID = 999_999_999_999_999
_TYPES_AT_ONCE = 1000
Parameters = dict[str, str | int]
Asked = Callable[[Connection, Mapping[str, Any]], Parameters]
_PRIMARY_MAIL = {"primary_email": words("The exact primary e-mail address.", most=200)}


def number(description: str) -> dict[str, Any]:
    return whole(description, most=LARGEST_ID)


def _filters(*names: str) -> Asked:
    """The vendor's filters out of the arguments of the same names."""

    def asked(_connection: Connection, arguments: Mapping[str, Any]) -> Parameters:
        return {f"filter[{name}]": _as_text(arguments[name]) for name in names if name in arguments}

    return asked


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) else str(value)


def _nested(what: str, shape: Shape, asked: Asked) -> Run:
    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        return _listed(connection, arguments, customer, (below(customer, what), asked(connection, arguments), shape))

    return run


def _listed(
    connection: Connection, arguments: Mapping[str, Any], customer: str, what: tuple[str, Parameters, Shape]
) -> Fetched:
    client, (path, parameters, shape) = GlueClient(connection), what
    page, limit = page_of(arguments)
    return listed(
        lambda number, size: client.page(path, parameters, number=number, size=size),
        owner=Owner(customer),
        shape=shape,
        page=page,
        limit=limit,
    )


def _one(what: str, argument: str, dress: Callable[[Any], Any] = lambda row: row) -> Run:
    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        row = GlueClient(connection).one(f"{below(customer, what)}/{int(arguments[argument])}")
        return Fetched([dress(row)])

    return run


def _get_organization(connection: Connection, _arguments: Mapping[str, Any], customer: str) -> Fetched:
    """An organisation's own id is its owner. What it holds of others (parent, ancestors) is not looked at."""
    row = GlueClient(connection).one(f"/organizations/{int(customer)}")
    held = at(row, "attributes")
    plain = {key: value for key, value in held.items() if not isinstance(value, dict | list)} if _is(held) else {}
    return Fetched([{"attributes": {**plain, ORGANIZATION: at(row, "id")}}])


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _flexible_assets(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    """The one list without a nested route; its filters have hyphens where all others have underscores."""
    kind = arguments.get("type_id") or _type_named(connection, arguments.get("type_name"))
    asked: Parameters = {"filter[flexible-asset-type-id]": int(kind), f"filter[{ORGANIZATION}]": int(customer)}
    if "name" in arguments:
        asked["filter[name]"] = str(arguments["name"])
    found = _listed(connection, arguments, customer, ("/flexible_assets", asked, FLEXIBLE_ASSET))
    return Fetched([_with_traits(row) for row in found.rows], found.has_more, found.dropped, found.unreadable)


def _type_named(connection: Connection, name: str | None) -> int:
    """The id of a type, out of the account's catalogue of them, which itself is not given out."""
    if name is None:
        raise ArgumentsInvalid
    rows = GlueClient(connection).page("/flexible_asset_types", {}, number=1, size=_TYPES_AT_ONCE)
    found = [at(row, "id") for row in rows if str(at(row, "attributes.name")).casefold() == name.casefold()]
    if len(found) != 1 or not str(found[0]).isdigit():
        raise VendorError("not_found")
    return int(found[0])


def _with_traits(row: Any) -> Any:
    traits = at(row, "attributes.traits")
    return with_custom_fields(row, traits.items() if isinstance(traits, dict) else [])


def _with_content(row: Any) -> Any:
    """What a document says is in its sections; where a release has none, there is no text."""
    return {**row, "written": "\n".join(_sections(row)) or None} if isinstance(row, dict) else row


def _sections(row: Mapping[str, Any]) -> Iterator[str]:
    found = at(row, "attributes.sections")
    for section in found if isinstance(found, list) else []:
        content = at(section, "rendered-content") or at(section, "content")
        if isinstance(content, str):
            yield content


def _expiration_range(_connection: Connection, arguments: Mapping[str, Any]) -> Parameters:
    if not {"date_from", "date_until"} & set(arguments):
        return {}
    ends = (arguments.get("date_from", "*"), arguments.get("date_until", "*"))
    return {"filter[range][expiration_date]": ", ".join(ends)}


def _listing(
    name: str,
    rows: tuple[str, Shape],
    run: Run,
    arguments: dict[str, Any],
    *,
    title: str,
    description: str,
    tier: Tier = Tier.PRODUCTION,
) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=f"{description} {UNTRUSTED}",
        risk=Risk.READ,
        narrowing=Narrowing.PARAMETER_AND_OWNER,
        tier=tier,
        input_schema=schema({**arguments, **pages()}),
        output=Output(*rows, many=True),
        run=run,
    )


def _getting(name: str, row: tuple[str, Shape], run: Run, arguments: dict[str, Any], *, title: str, text: str) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=f"{text} {UNTRUSTED}",
        risk=Risk.READ,
        narrowing=Narrowing.PARAMETER_AND_OWNER,
        tier=Tier.PRODUCTION,
        input_schema=schema(arguments, required=tuple(arguments)),
        output=Output(*row, many=False),
        run=run,
    )


GET_ORGANIZATION = _getting(
    "get_organization",
    ("organization", COMPANY),
    _get_organization,
    {},
    title="Get the customer's record",
    text="The customer of this call as the documentation knows it: its alert and quick notes.",
)
LIST_CONFIGURATIONS = _listing(
    "list_configurations",
    ("configurations", LISTED_CONFIGURATION),
    _nested(
        "configurations",
        LISTED_CONFIGURATION,
        _filters("name", "serial_number", "mac_address", "configuration_type_id", "archived"),
    ),
    {
        "name": words("The exact name.", most=200),
        "serial_number": words("The exact serial number.", most=100),
        "mac_address": words("The exact MAC address.", most=40),
        "configuration_type_id": number("Id of the type."),
        "archived": {"type": "boolean", "description": "Only archived ones, or none."},
    },
    title="List configurations",
    description="Servers, workstations and other configurations of the customer of this call.",
)
GET_CONFIGURATION = _getting(
    "get_configuration",
    ("configuration", CONFIGURATION),
    _one("configurations", "configuration_id"),
    {"configuration_id": number("Id of the configuration.")},
    title="Get a configuration",
    text="One configuration of the customer of this call, with its notes.",
)
LIST_FLEXIBLE_ASSETS = _listing(
    "list_flexible_assets",
    ("flexible_assets", FLEXIBLE_ASSET),
    _flexible_assets,
    {
        "type_name": words("Name of their type. It or type_id has to be given.", most=200),
        "type_id": number("Id of their type."),
        "name": words("The exact name.", most=200),
    },
    title="List flexible assets",
    description="Flexible assets of one type of the customer of this call; traits named as secrets are masked.",
)
LIST_CONTACTS = _listing(
    "list_contacts",
    ("contacts", CONTACT),
    _nested("contacts", CONTACT, _filters("first_name", "last_name", "primary_email")),
    {
        "first_name": words("The exact first name.", most=100),
        "last_name": words("The exact last name.", most=100),
        **_PRIMARY_MAIL,
    },
    title="List the customer's people",
    description="Contacts of the customer of this call: personal data.",
    tier=Tier.IDENTITY,
)
LIST_LOCATIONS = _listing(
    "list_locations",
    ("locations", LOCATION),
    _nested("locations", LOCATION, _filters("name", "city")),
    {"name": words("The exact name.", most=200), "city": words("The exact city.", most=100)},
    title="List locations",
    description="Addresses of the customer of this call.",
)
LIST_DOMAINS = _listing(
    "list_domains",
    ("domains", DOMAIN),
    _nested("domains", DOMAIN, _filters()),
    {},
    title="List domains",
    description="Domains of the customer of this call, and when they run out.",
)
LIST_EXPIRATIONS = _listing(
    "list_expirations",
    ("expirations", EXPIRATION),
    _nested("expirations", EXPIRATION, _expiration_range),
    {"date_from": day("The first day, such as 2026-11-20."), "date_until": day("The last day.")},
    title="List what expires",
    description="Warranties, certificates, domains and dates of the customer of this call that run out.",
)
LIST_DOCUMENTS = _listing(
    "list_documents",
    ("documents", LISTED_DOCUMENT),
    _nested("documents", LISTED_DOCUMENT, _filters("document_folder_id")),
    {"document_folder_id": number("Id of a folder.")},
    title="List documents",
    description="Documents of the customer of this call, without their text.",
)
GET_DOCUMENT = _getting(
    "get_document",
    ("document", DOCUMENT),
    _one("documents", "document_id", _with_content),
    {"document_id": number("Id of the document.")},
    title="Read a document",
    text="One document of the customer of this call, with its text.",
)
READS = (
    GET_ORGANIZATION,
    LIST_CONFIGURATIONS,
    GET_CONFIGURATION,
    LIST_FLEXIBLE_ASSETS,
    LIST_CONTACTS,
    LIST_LOCATIONS,
    LIST_DOMAINS,
    LIST_EXPIRATIONS,
    LIST_DOCUMENTS,
    GET_DOCUMENT,
)
