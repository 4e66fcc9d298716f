"""What is given out of ConnectWise PSA's objects."""

from connectors.custom_fields import CUSTOM_FIELDS
from connectors.shapes import Field, Kind, Nested, Shape

OWNER = "company.id"

_ID = Field("id", Kind.INTEGER, required=True)
_COMPANY = Field(
    "company_id", Kind.INTEGER, source=OWNER, required=True, description="The customer's id at the vendor."
)


def _of(name: str, *, source: str = "") -> tuple[Field, Field]:
    """The id and the name of what a row refers to; both belong to the row."""
    path = source or name
    return Field(f"{name}_id", Kind.INTEGER, source=f"{path}.id"), Field(f"{name}_name", source=f"{path}.name")


LISTED_TICKET = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("summary", max_length=500, description="Untrusted text."),
        *_of("board"),
        *_of("status"),
        *_of("priority"),
        *_of("type"),
        *_of("team"),
        Field("owner", source="owner.name", description="The member it is assigned to."),
        Field("contact_name", source="contactName", description="Untrusted text."),
        Field("site_name", source="siteName"),
        Field("record_type", source="recordType"),
        Field("severity"),
        Field("impact"),
        Field("closed", Kind.BOOLEAN, source="closedFlag"),
        Field("in_sla", Kind.BOOLEAN, source="isInSla"),
        Field("sla_status", source="slaStatus"),
        Field("date_resolved", source="dateResolved"),
        Field("required_date", source="requiredDate"),
        Field("actual_hours", Kind.NUMBER, source="actualHours"),
        Field("last_updated", source="_info.lastUpdated"),
    ),
)
TICKET = Shape(OWNER, LISTED_TICKET.fields, (CUSTOM_FIELDS,))
SLA_TIMES = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("summary", max_length=500, description="Untrusted text."),
        Field("sla_name", source="sla.name"),
        Field("in_sla", Kind.BOOLEAN, source="isInSla"),
        Field("sla_status", source="slaStatus"),
        Field("respond_by", source="respondByGoalUTC"),
        Field("plan_by", source="resplanGoalUTC"),
        Field("resolve_by", source="resolutionGoalUTC"),
        Field("responded", source="dateResponded"),
        Field("planned", source="dateResplan"),
        Field("resolved", source="dateResolved"),
        Field("respond_minutes", Kind.INTEGER, source="respondMinutes"),
        Field("plan_minutes", Kind.INTEGER, source="resPlanMinutes"),
        Field("resolve_minutes", Kind.INTEGER, source="resolveMinutes"),
    ),
)
NOTE = Shape(
    "ticketId",
    (
        _ID,
        Field("ticket_id", Kind.INTEGER, source="ticketId", required=True),
        Field("text", max_length=8000, description="Untrusted text."),
        Field("discussion", Kind.BOOLEAN, source="detailDescriptionFlag", description="The customer sees it."),
        Field("internal", Kind.BOOLEAN, source="internalAnalysisFlag"),
        Field("resolution", Kind.BOOLEAN, source="resolutionFlag"),
        Field("member", source="member.name"),
        Field("contact", source="contact.name"),
        Field("created_by", source="createdBy"),
        Field("date_created", source="dateCreated"),
    ),
)
STATUS = Shape(
    "board.id",
    (
        _ID,
        Field("board_id", Kind.INTEGER, source="board.id", required=True),
        Field("name"),
        Field("closed", Kind.BOOLEAN, source="closedStatus", description="A ticket with it is closed."),
        Field("default", Kind.BOOLEAN, source="defaultFlag"),
        Field("inactive", Kind.BOOLEAN),
    ),
)
LISTED_CONFIGURATION = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name", description="Untrusted text."),
        *_of("type"),
        *_of("status"),
        Field("site_name", source="site.name"),
        Field("contact_name", source="contact.name"),
        Field("manufacturer", source="manufacturer.name"),
        Field("model_number", source="modelNumber"),
        Field("serial_number", source="serialNumber"),
        Field("tag_number", source="tagNumber"),
        Field("device_identifier", source="deviceIdentifier"),
        Field("ip_address", source="ipAddress"),
        Field("mac_address", source="macAddress"),
        Field("os", source="osInfo"),
        Field("last_login_name", source="lastLoginName"),
        Field("installed", source="installationDate"),
        Field("purchased", source="purchaseDate"),
        Field("warranty_end", source="warrantyExpirationDate"),
        Field("active", Kind.BOOLEAN, source="activeFlag"),
    ),
)
CONFIGURATION = Shape(
    OWNER,
    (*LISTED_CONFIGURATION.fields, Field("notes", max_length=8000, description="Untrusted text.")),
    (CUSTOM_FIELDS,),
)
CONTACT = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("first_name", source="firstName"),
        Field("last_name", source="lastName"),
        Field("title"),
        Field("site_name", source="site.name"),
        Field("default", Kind.BOOLEAN, source="defaultFlag"),
        Field("inactive", Kind.BOOLEAN, source="inactiveFlag"),
    ),
    (
        Nested(
            "communication",
            Shape("", (Field("kind", source="communicationType"), Field("name", source="type.name"), Field("value"))),
            source="communicationItems",
            many=True,
            description="Addresses and numbers.",
        ),
    ),
)
AGREEMENT = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name"),
        *_of("type"),
        Field("status", source="agreementStatus"),
        Field("start_date", source="startDate"),
        Field("end_date", source="endDate"),
        Field("no_end", Kind.BOOLEAN, source="noEndingDateFlag"),
        Field("cancelled", Kind.BOOLEAN, source="cancelledFlag"),
        Field("bill_amount", Kind.NUMBER, source="billAmount"),
        Field("next_invoice_date", source="nextInvoiceDate"),
        Field("sla_name", source="sla.name"),
    ),
)
# What the service provider pays and earns (unitCost, extCost, margin) is not in it.
ADDITION = Shape(
    "agreementId",
    (
        _ID,
        Field("agreement_id", Kind.INTEGER, source="agreementId", required=True),
        Field("product", source="product.identifier"),
        Field("description", max_length=1000, source="invoiceDescription"),
        Field("status", source="agreementStatus"),
        Field("quantity", Kind.NUMBER),
        Field("unit_price", Kind.NUMBER, source="unitPrice"),
        Field("extended_price", Kind.NUMBER, source="extPrice"),
        Field("billed", source="billCustomer"),
        Field("effective_date", source="effectiveDate"),
        Field("cancelled_date", source="cancelledDate"),
    ),
)
TIME_ENTRY = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("charge_to_type", source="chargeToType"),
        Field("charge_to_id", Kind.INTEGER, source="chargeToId"),
        Field("ticket_id", Kind.INTEGER, source="ticket.id"),
        Field("agreement_id", Kind.INTEGER, source="agreement.id"),
        Field("member", source="member.name"),
        Field("work_type", source="workType.name"),
        Field("time_start", source="timeStart"),
        Field("time_end", source="timeEnd"),
        Field("actual_hours", Kind.NUMBER, source="actualHours"),
        Field("billable_option", source="billableOption"),
        Field("status"),
        Field("notes", max_length=4000, description="Untrusted text."),
    ),
)
