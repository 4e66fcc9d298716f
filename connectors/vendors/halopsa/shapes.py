"""What is given out of HaloPSA's objects."""

from connectors.shapes import Field, Kind, Nested, Shape

OWNER = "client_id"

_PERSON_OR_PLACE = Shape(OWNER, (Field("id", Kind.INTEGER, required=True), Field("name")))
_LAST_ACTION = Shape(
    OWNER,
    (
        Field("id", Kind.INTEGER, required=True),
        Field("who"),
        Field("datetime"),
        Field("note", max_length=4000, description="Untrusted text."),
    ),
)
_CHILD = Shape(
    OWNER,
    (
        Field("id", Kind.INTEGER, required=True),
        Field("summary", max_length=500, description="Untrusted text."),
        Field("status_id", Kind.INTEGER),
    ),
)
_ID = Field("id", Kind.INTEGER, required=True)
_CLIENT = Field("client_id", Kind.INTEGER, required=True, description="The customer's id at the vendor.")
_TICKET_FIELDS = (
    _ID,
    _CLIENT,
    Field("summary", max_length=500, description="Untrusted text."),
    Field("status_id", Kind.INTEGER),
    Field("priority_id", Kind.INTEGER),
    Field("tickettype_id", Kind.INTEGER),
    Field("agent_id", Kind.INTEGER),
    Field("team"),
    Field("user_name"),
    Field("site_name"),
    Field("category_1"),
    Field("dateoccurred", description="No zone is given by the vendor; read as UTC."),
    Field("lastactiondate"),
    Field("dateclosed"),
    Field("respondbydate"),
    Field("fixbydate"),
    Field("slastate"),
    Field("onhold", Kind.BOOLEAN),
)
_TICKET_NESTED = (
    Nested("user", _PERSON_OR_PLACE),
    Nested("site", _PERSON_OR_PLACE),
    Nested("last_action", _LAST_ACTION, source="lastaction"),
    Nested("child_tickets", _CHILD, many=True),
)
LISTED_TICKET = Shape(OWNER, _TICKET_FIELDS, _TICKET_NESTED)
TICKET = Shape(
    OWNER, (*_TICKET_FIELDS, Field("details", max_length=20_000, description="Untrusted text.")), _TICKET_NESTED
)
ACTION = Shape(
    "ticket_id",
    (
        Field("id", Kind.INTEGER, required=True, description="Counts from 1 in each ticket."),
        Field("ticket_id", Kind.INTEGER, required=True),
        Field("outcome"),
        Field("who"),
        Field("datetime", description="No zone is given by the vendor; read as UTC."),
        Field("note", max_length=8000, description="Untrusted text."),
        Field("hiddenfromuser", Kind.BOOLEAN),
        Field("timetaken", Kind.NUMBER, description="Hours."),
    ),
)
LISTED_ASSET = Shape(
    OWNER,
    (
        _ID,
        _CLIENT,
        Field("inventory_number"),
        Field("key_field"),
        Field("key_field2"),
        Field("key_field3"),
        Field("assettype_name"),
        Field("site_name"),
        Field("status_id", Kind.INTEGER),
        Field("criticality", Kind.INTEGER),
        Field("inactive", Kind.BOOLEAN),
        Field("warranty_start"),
        Field("warranty_end"),
        Field("contract_id", Kind.INTEGER),
    ),
)
ASSET = Shape(
    OWNER,
    (*LISTED_ASSET.fields, Field("notes", max_length=8000, description="Untrusted text.")),
    (
        Nested(
            "fields", Shape("", (Field("name", required=True), Field("value", max_length=500, label="name"))), many=True
        ),
    ),
)
USER = Shape(
    OWNER,
    (
        _ID,
        _CLIENT,
        Field("name"),
        Field("emailaddress"),
        Field("phonenumber"),
        Field("site_name"),
        Field("inactive", Kind.BOOLEAN),
    ),
)
CONTRACT = Shape(
    OWNER,
    (_ID, _CLIENT, Field("ref"), Field("start_date"), Field("end_date"), Field("note", max_length=2000)),
)
