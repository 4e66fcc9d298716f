"""What is given out of Hudu's objects."""

from connectors.custom_fields import CUSTOM_FIELDS
from connectors.shapes import Field, Kind, Nested, Shape

OWNER = "company_id"

_ID = Field("id", Kind.INTEGER, required=True)
_COMPANY = Field("company_id", Kind.INTEGER, required=True, description="The customer's id at the vendor.")
_CHANGED = (Field("created_at"), Field("updated_at"))
_NOTES = Field("notes", max_length=8000, description="Untrusted text.")

# A company is its own owner, and names its parent, who is somebody else: not given out.
COMPANY = Shape(
    OWNER,
    (
        _COMPANY,
        Field("name"),
        Field("nickname"),
        Field("company_type"),
        Field("id_number"),
        Field("address_line_1"),
        Field("address_line_2"),
        Field("city"),
        Field("state"),
        Field("zip"),
        Field("country_name"),
        Field("phone_number"),
        Field("website"),
        Field("archived", Kind.BOOLEAN),
        _NOTES,
        *_CHANGED,
    ),
)
LISTED_ARTICLE = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name", max_length=500, description="Untrusted text."),
        Field("slug"),
        Field("folder_id", Kind.INTEGER),
        Field("draft", Kind.BOOLEAN),
        Field("enable_sharing", Kind.BOOLEAN, description="Whether it can be read by whoever has its link."),
        *_CHANGED,
    ),
)
ARTICLE = Shape(
    OWNER, (*LISTED_ARTICLE.fields, Field("content", max_length=50_000, description="Untrusted text: HTML."))
)
_CARD = Shape(
    "",
    (
        Field("integrator_name", description="The system that the asset is kept in step with."),
        Field("sync_type"),
        Field("sync_id"),
    ),
)
LISTED_ASSET = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name", max_length=500, description="Untrusted text."),
        Field("asset_type", description="Name of its layout."),
        Field("asset_layout_id", Kind.INTEGER),
        Field("primary_serial"),
        Field("primary_mail"),
        Field("primary_model"),
        Field("primary_manufacturer"),
        Field("archived", Kind.BOOLEAN),
        *_CHANGED,
    ),
)
ASSET = Shape(OWNER, LISTED_ASSET.fields, (CUSTOM_FIELDS, Nested("cards", _CARD, many=True)))
PROCEDURE = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name", max_length=500, description="Untrusted text."),
        Field("description", max_length=4000, description="Untrusted text."),
        Field("status"),
        Field("process_type"),
        Field("run", Kind.BOOLEAN, description="A run of a process, and not the process itself."),
        Field("total", Kind.INTEGER, description="Tasks."),
        Field("completed", Kind.INTEGER, description="Tasks that are done."),
        Field("completion_percentage"),
        *_CHANGED,
    ),
)
TASK = Shape(
    "procedure_id",
    (
        _ID,
        Field("procedure_id", Kind.INTEGER, required=True),
        Field("name", max_length=500, description="Untrusted text."),
        Field("description", max_length=4000, description="Untrusted text."),
        Field("position", Kind.INTEGER),
        Field("priority"),
        Field("due_date"),
        Field("completed", Kind.BOOLEAN),
        Field("completed_date"),
        Field("completion_notes", max_length=4000, description="Untrusted text."),
        Field("first_assigned_user_name"),
        Field("optional", Kind.BOOLEAN),
    ),
)
NETWORK = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name"),
        Field("address"),
        Field("network_type", Kind.INTEGER),
        Field("vlan_id", Kind.INTEGER),
        Field("description", max_length=4000),
        _NOTES,
        *_CHANGED,
    ),
)
IP_ADDRESS = Shape(
    OWNER,
    (
        Field("id", Kind.INTEGER),
        _COMPANY,
        Field("address"),
        Field("status"),
        Field("fqdn"),
        Field("description", max_length=4000),
        _NOTES,
        Field("asset_id", Kind.INTEGER),
        Field("network_id", Kind.INTEGER),
    ),
)
VLAN = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name"),
        Field("vlan_id", Kind.INTEGER, description="The tag, 1 to 4094."),
        Field("description", max_length=4000),
        _NOTES,
        Field("networks_count", Kind.INTEGER),
        *_CHANGED,
    ),
)
EXPIRATION = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("date"),
        Field("expiration_type"),
        Field("expirationable_type", description="What expires: Asset, Website, Article."),
        Field("expirationable_id", Kind.INTEGER),
        Field("archived_at"),
    ),
)
WEBSITE = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("name"),
        Field("status"),
        Field("monitoring_status"),
        Field("code", Kind.INTEGER, description="Status of the last look at it."),
        Field("message", max_length=500),
        Field("paused", Kind.BOOLEAN),
        Field("enable_dmarc_tracking", Kind.BOOLEAN),
        Field("enable_dkim_tracking", Kind.BOOLEAN),
        Field("enable_spf_tracking", Kind.BOOLEAN),
        Field("monitored_at"),
        _NOTES,
    ),
)
