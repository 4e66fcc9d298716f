"""What lists of calls can be narrowed by. An id that is unknown, or out of sight, fits nothing."""

import django_filters as filters

from connectors.models import ToolCall


class CallFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = filters.ChoiceFilter(choices=ToolCall.State.choices, label="State", empty_label="Any")
    gate = filters.CharFilter(label="Gate that refused")
    tool = filters.CharFilter(lookup_expr="startswith", label="Beginning of the tool's name")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")
    caller = filters.CharFilter(
        field_name="principal_label", lookup_expr="icontains", label="Part of the caller's name"
    )
    principal = filters.UUIDFilter(field_name="principal_id", label="One caller")
    instance = filters.UUIDFilter(field_name="instance_id", label="One connection")

    class Meta:
        model = ToolCall
        fields: tuple[str, ...] = ()
