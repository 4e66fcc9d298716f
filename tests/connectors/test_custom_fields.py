"""Fields that people made up at the vendor: as text, without what they link to, without what looks like a secret."""

from connectors.custom_fields import CUSTOM_FIELDS, labelled, with_custom_fields
from connectors.narrowing import Owner, pick
from connectors.redaction import MASK
from connectors.shapes import Field, Shape

SHAPE = Shape("client_id", (Field("id"),), (CUSTOM_FIELDS,))
ITEMS = [
    {"label": "CPU", "value": 8},
    {"label": "Backed up", "value": True},
    {"label": "Admin password", "value": "CANARY-1"},
    {"label": "Linked", "value": {"type": "contacts", "values": [{"name": "of somebody else"}]}},
    {"label": 3, "value": "no name"},
    "nonsense",
]


def test_values_become_text_secrets_a_mask_and_links_nothing() -> None:
    row = with_custom_fields({"id": "1", "client_id": 12}, labelled(ITEMS))

    picked = pick(row, owner=Owner("12"), shape=SHAPE)

    assert picked is not None
    assert picked["fields"] == [
        {"name": "CPU", "value": "8"},
        {"name": "Backed up", "value": "yes"},
        {"name": "Admin password", "value": MASK},
        {"name": "Linked", "value": None},
    ]


def test_what_is_no_row_stays_what_it_is() -> None:
    assert with_custom_fields("not a row", labelled(ITEMS)) == "not a row"
    assert labelled({"label": "CPU"}) == []
