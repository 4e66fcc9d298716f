"""What lists of calls can be narrowed by. An id that is unknown, or out of sight, fits nothing."""

import django_filters as filters

from connectors.models import Signal, ToolCall


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


class SignalFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    kind = filters.ChoiceFilter(choices=Signal.Kind.choices, label="What", empty_label="Any")
    severity = filters.ChoiceFilter(choices=Signal.Severity.choices, label="Severity", empty_label="Any")
    state = filters.ChoiceFilter(choices=Signal.State.choices, label="State", empty_label="Any")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")
    instance = filters.UUIDFilter(field_name="instance_id", label="One connection")

    class Meta:
        model = Signal
        fields: tuple[str, ...] = ()
