"""Hudu's tools that read. Only typed, listed arguments reach the vendor; the company is put in here."""

from collections.abc import Mapping
from typing import Any

from connectors.arguments import choice, pages, schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.custom_fields import labelled, with_custom_fields
from connectors.narrowing import Parents
from connectors.paging import of_one_answer
from connectors.shapes import Shape
from connectors.vendors.hudu.client import HuduClient
from connectors.vendors.hudu.lists import asked, everybodys, paged, unpaged
from connectors.vendors.hudu.shapes import (
    ARTICLE,
    ASSET,
    COMPANY,
    EXPIRATION,
    IP_ADDRESS,
    LISTED_ARTICLE,
    LISTED_ASSET,
    NETWORK,
    OWNER,
    PROCEDURE,
    TASK,
    VLAN,
    WEBSITE,
)

_SEARCH = words("Words to look for.", most=100)
_NAME = words("The exact name.", most=200)
_ARCHIVED = {"type": "boolean", "default": False, "description": "Those that are archived, instead of the others."}
_MOST_TASKS = 200
_EXPIRATIONS = ("domain", "ssl_certificate", "warranty", "asset_field", "article_expiration", "undeclared")


def _get_company(connection: Connection, _arguments: Mapping[str, Any], customer: str) -> Fetched:
    """A company's own id is its owner. What it holds of other companies' ids (parent) is not looked at."""
    row = HuduClient(connection).one(f"/companies/{int(customer)}", "company")
    plain = {name: value for name, value in row.items() if not isinstance(value, dict | list)} if _is(row) else {}
    return Fetched([{**plain, OWNER: plain.get("id")}])


def _is(row: Any) -> bool:
    return isinstance(row, dict)


def _get_article(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([HuduClient(connection).one(f"/articles/{int(arguments['article_id'])}", "article")])


def read_asset(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    path = f"/companies/{int(customer)}/assets/{int(arguments['asset_id'])}"
    return Fetched([with_fields(HuduClient(connection).one(path, "asset"))])


def with_fields(row: Any) -> Any:
    """Linked assets come as JSON in a text: not given out, as what they name may be somebody else's."""
    pairs = labelled(row.get("fields")) if isinstance(row, dict) else []
    return with_custom_fields(row, ((name, None if _is_link(value) else value) for name, value in pairs))


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(("[{", "{"))


def _read_procedure(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([HuduClient(connection).one(f"/procedures/{int(arguments['procedure_id'])}", "procedure")])


def _list_tasks(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    number = int(arguments["procedure_id"])
    wanted = {"procedure_id": number, OWNER: int(customer)}
    rows = HuduClient(connection).rows("/procedure_tasks", "procedure_tasks", wanted)
    return of_one_answer(rows, owner=Parents.of([number]), shape=TASK, page=1, limit=_MOST_TASKS)


ASSET_OF_CUSTOMER = Parent(read=read_asset, owner=OWNER)
_PROCEDURE_OF_CUSTOMER = Parent(read=_read_procedure, owner=OWNER)


def _listing(
    name: str,
    key: str,
    shape: Shape,
    run: Run,
    arguments: dict[str, Any],
    *,
    title: str,
    description: str,
    narrowing: Narrowing = Narrowing.PARAMETER_AND_OWNER,
) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=f"{description} {UNTRUSTED}",
        risk=Risk.READ,
        narrowing=narrowing,
        tier=Tier.PRODUCTION,
        input_schema=schema({**arguments, **pages()}),
        output=Output(key, shape, many=True),
        run=run,
    )


GET_COMPANY = Tool(
    name="get_company",
    title="Get the customer's record",
    description=f"The customer of this call as the documentation knows it: address, telephone, notes. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({}),
    output=Output("company", COMPANY, many=False),
    run=_get_company,
)
SEARCH_ARTICLES = _listing(
    "search_articles",
    "articles",
    LISTED_ARTICLE,
    paged("/articles", "articles", LISTED_ARTICLE, asked(texts=("search", "name"), flags=("draft",))),
    {"search": _SEARCH, "name": _NAME, "draft": {"type": "boolean", "description": "Only drafts, or none."}},
    title="Search articles",
    description="Articles of the customer of this call, without their text; not those that are for everybody.",
)
GET_ARTICLE = Tool(
    name="get_article",
    title="Read an article",
    description=f"One article of the customer of this call, with its text. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"article_id": whole("Id of the article.")}, required=("article_id",)),
    output=Output("article", ARTICLE, many=False),
    run=_get_article,
)
LIST_ASSETS = _listing(
    "list_assets",
    "assets",
    LISTED_ASSET,
    paged(
        "/assets",
        "assets",
        LISTED_ASSET,
        asked(texts=("search", "primary_serial"), numbers=("asset_layout_id",), flags=("archived",)),
    ),
    {
        "search": _SEARCH,
        "primary_serial": words("The exact serial number.", most=100),
        "asset_layout_id": whole("Id of the layout."),
        "archived": _ARCHIVED,
    },
    title="List assets",
    description="Assets of the customer of this call, without their fields.",
)
GET_ASSET = Tool(
    name="get_asset",
    title="Get an asset",
    description=f"One asset of the customer of this call, with its fields; secrets by name are masked. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({"asset_id": whole("Id of the asset.")}, required=("asset_id",)),
    output=Output("asset", ASSET, many=False),
    run=read_asset,
)
LIST_PROCEDURES = _listing(
    "list_procedures",
    "procedures",
    PROCEDURE,
    paged("/procedures", "procedures", PROCEDURE, asked(texts=("type", "name"))),
    {"type": choice(("process", "run", "all"), "Processes, or runs of them.", default="all"), "name": _NAME},
    title="List processes and their runs",
    description="Processes of the customer of this call, and how far their runs are.",
)
LIST_PROCEDURE_TASKS = Tool(
    name="list_procedure_tasks",
    title="List the tasks of a process",
    description=f"The tasks of one process, or run of one, of the customer; who does them, until when. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"procedure_id": whole("Id of the process or run.")}, required=("procedure_id",)),
    output=Output("tasks", TASK, many=True),
    run=_list_tasks,
    guard=_PROCEDURE_OF_CUSTOMER,
)
LIST_NETWORKS = _listing(
    "list_networks",
    "networks",
    NETWORK,
    unpaged("/networks", "networks", NETWORK, asked(texts=("name", "address"), flags=("archived",))),
    {"name": _NAME, "address": words("The exact range, such as 10.0.0.0/24.", most=50), "archived": _ARCHIVED},
    title="List networks",
    description="Networks of the customer of this call.",
)
LIST_IP_ADDRESSES = _listing(
    "list_ip_addresses",
    "ip_addresses",
    IP_ADDRESS,
    unpaged(
        "/ip_addresses",
        "ip_addresses",
        IP_ADDRESS,
        asked(texts=("address", "status", "fqdn"), numbers=("network_id", "asset_id")),
    ),
    {
        "address": words("The exact address.", most=50),
        "status": choice(("unassigned", "assigned", "reserved", "deprecated", "dhcp", "slaac"), "How it is used."),
        "fqdn": words("The exact name.", most=255),
        "network_id": whole("Id of the network."),
        "asset_id": whole("Id of the asset."),
    },
    title="List IP addresses",
    description="Addresses that are written down for the customer of this call.",
)
LIST_VLANS = _listing(
    "list_vlans",
    "vlans",
    VLAN,
    unpaged("/vlans", "vlans", VLAN, asked(texts=("name",), numbers=("vlan_id",), flags=("archived",))),
    {"name": _NAME, "vlan_id": whole("The tag.", most=4094), "archived": _ARCHIVED},
    title="List VLANs",
    description="VLANs of the customer of this call.",
)
LIST_EXPIRATIONS = _listing(
    "list_expirations",
    "expirations",
    EXPIRATION,
    paged("/expirations", "expirations", EXPIRATION, asked(texts=("expiration_type",), flags=("archived",))),
    {"expiration_type": choice(_EXPIRATIONS, "What runs out."), "archived": _ARCHIVED},
    title="List what expires",
    description="Domains, certificates, warranties and dates of the customer of this call that run out.",
)
LIST_WEBSITES = _listing(
    "list_websites",
    "websites",
    WEBSITE,
    everybodys("/websites", "websites", WEBSITE, asked(texts=("search", "name"))),
    {"search": _SEARCH, "name": _NAME},
    title="List websites",
    description="Websites of the customer of this call, and whether they are up. Searching first finds more of them.",
    narrowing=Narrowing.OWNER_ONLY,
)
READS = (
    GET_COMPANY,
    SEARCH_ARTICLES,
    GET_ARTICLE,
    LIST_ASSETS,
    GET_ASSET,
    LIST_PROCEDURES,
    LIST_PROCEDURE_TASKS,
    LIST_NETWORKS,
    LIST_IP_ADDRESSES,
    LIST_VLANS,
    LIST_EXPIRATIONS,
    LIST_WEBSITES,
)
