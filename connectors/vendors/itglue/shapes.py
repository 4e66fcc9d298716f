"""What is given out of IT Glue's objects: their attributes, whose names have hyphens there and none here."""

from connectors.custom_fields import CUSTOM_FIELDS
from connectors.shapes import Field, Kind, Nested, Shape

ORGANIZATION = "organization-id"
OWNER = f"attributes.{ORGANIZATION}"


def _attribute(
    name: str, kind: Kind = Kind.TEXT, *, description: str = "", max_length: int = 2000, required: bool = False
) -> Field:
    """`primary-ip` as `primary_ip`."""
    source = f"attributes.{name}"
    return Field(name.replace("-", "_"), kind, source, required, description, max_length)


_ID = Field("id", Kind.INTEGER, required=True)
_OWNED = (
    _ID,
    _attribute(ORGANIZATION, Kind.INTEGER, description="The customer's id at the vendor.", required=True),
)
_NAME = _attribute("name", description="Untrusted text.", max_length=500)
_NOTES = _attribute("notes", description="Untrusted text.", max_length=8000)
_DATES = (_attribute("created-at"), _attribute("updated-at"))

# Its parent and ancestors are other organisations: not given out.
COMPANY = Shape(
    OWNER,
    (
        _attribute(ORGANIZATION, Kind.INTEGER, description="The customer's id at the vendor.", required=True),
        _attribute("name"),
        _attribute("short-name"),
        _attribute("description", description="Untrusted text.", max_length=4000),
        _attribute("organization-type-name"),
        _attribute("organization-status-name"),
        _attribute("alert", description="Untrusted text.", max_length=4000),
        _attribute("quick-notes", description="Untrusted text: HTML.", max_length=8000),
        *_DATES,
    ),
)
LISTED_CONFIGURATION = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("hostname"),
        _attribute("primary-ip"),
        _attribute("mac-address"),
        _attribute("serial-number"),
        _attribute("asset-tag"),
        _attribute("configuration-type-id", Kind.INTEGER),
        _attribute("configuration-type-name"),
        _attribute("configuration-status-name"),
        _attribute("manufacturer-name"),
        _attribute("model-name"),
        _attribute("operating-system-name"),
        _attribute("location-name"),
        _attribute("contact-name"),
        _attribute("warranty-expires-at"),
        _attribute("archived", Kind.BOOLEAN),
        *_DATES,
    ),
)
CONFIGURATION = Shape(OWNER, (*LISTED_CONFIGURATION.fields, _attribute("installed-at"), _attribute("position"), _NOTES))
FLEXIBLE_ASSET = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("flexible-asset-type-id", Kind.INTEGER),
        _attribute("flexible-asset-type-name"),
        _attribute("archived", Kind.BOOLEAN),
        *_DATES,
    ),
    (CUSTOM_FIELDS,),
)
_REACHED = Shape(
    "", (Field("value", max_length=200), Field("label", source="label-name"), Field("primary", Kind.BOOLEAN))
)
CONTACT = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("first-name"),
        _attribute("last-name"),
        _attribute("title"),
        _attribute("contact-type-name"),
        _attribute("location-name"),
        _attribute("important", Kind.BOOLEAN),
        _NOTES,
    ),
    (
        Nested("emails", _REACHED, source="attributes.contact-emails", many=True),
        Nested("phones", _REACHED, source="attributes.contact-phones", many=True),
    ),
)
LOCATION = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("primary", Kind.BOOLEAN),
        _attribute("address-1"),
        _attribute("address-2"),
        _attribute("city"),
        _attribute("postal-code"),
        _attribute("region-name"),
        _attribute("country-name"),
        _attribute("phone"),
        _NOTES,
    ),
)
DOMAIN = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("registrar-name"),
        _attribute("expires-on"),
        _NOTES,
        *_DATES,
    ),
)
EXPIRATION = Shape(
    OWNER,
    (
        *_OWNED,
        _attribute("expiration-date"),
        _attribute("resource-id", Kind.INTEGER),
        _attribute("resource-name", description="Untrusted text.", max_length=500),
        _attribute("resource-type-name"),
        _attribute("resource-attribute-name"),
        _attribute("description", max_length=500),
    ),
)
LISTED_DOCUMENT = Shape(
    OWNER,
    (
        *_OWNED,
        _NAME,
        _attribute("document-folder-id", Kind.INTEGER),
        _attribute("public", Kind.BOOLEAN, description="Whether it can be read by whoever has its link."),
        *_DATES,
    ),
)
DOCUMENT = Shape(
    OWNER,
    (
        *LISTED_DOCUMENT.fields,
        Field("content", source="written", max_length=50_000, description="Untrusted text: HTML of its sections."),
    ),
)
