"""What a vendor manages for each customer, as assets: what the estimates of billing are made from.

What is not in a list that was read as a whole, or has become another customer's, is not active any more.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from connectors.models import ConnectorInstance
from connectors.sightings import Thing
from tenants.models import Asset

Key = tuple[UUID, str, str]  # customer, kind, what the vendor calls it


def keep_assets(
    instance: ConnectorInstance, things: Iterable[Thing], owners: Mapping[str | None, UUID], *, whole: bool
) -> None:
    """In the open transaction, which holds the connection's pull. `whole`: what is not among them is gone."""
    mine = {
        (owners[each.owner], each.kind, _reference(instance, each.external_id)): each.name
        for each in things
        if each.owner in owners
    }
    there = {_key(row): row for row in Asset.objects.filter(external_ref__startswith=_reference(instance, ""))}
    new = [
        Asset(customer_id=key[0], kind=key[1], external_ref=key[2], name=name)
        for key, name in mine.items()
        if key not in there
    ]
    Asset.objects.bulk_create(new)
    changed = []
    for key, row in there.items():
        name, active = mine.get(key, row.name), key in mine or (row.active and not whole)
        if (row.name, row.active) != (name, active):
            row.name, row.active = name, active
            changed.append(row)
    Asset.objects.bulk_update(changed, ["name", "active"], batch_size=500)


def _reference(instance: ConnectorInstance, external_id: str) -> str:
    return f"{instance.slug}:{external_id}"


def _key(row: Asset) -> Key:
    return row.customer_id, row.kind, row.external_ref
