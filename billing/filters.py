"""What lists of billing can be narrowed by, over the API and in the portal."""

import django_filters as filters

from tenants.models import Asset


class AssetFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    customer = filters.UUIDFilter(field_name="customer_id", label="Customer")
    active = filters.BooleanFilter(label="Active")

    class Meta:
        model = Asset
        fields: tuple[str, ...] = ()
