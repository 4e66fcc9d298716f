from typing import Any

from rest_framework import serializers

from connectors.clients import message_of
from connectors.mapping import Drift
from connectors.matching import Certainty, Reason
from connectors.models import ClientList, ClientSource, VendorClient
from identity.api_fields import Text


class PlainClientOut(serializers.ModelSerializer[VendorClient]):
    class Meta:
        model = VendorClient
        fields = ("external_id", "name", "domain")


class ClientOut(serializers.ModelSerializer[VendorClient]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True, help_text="Who is mapped to it.")
    customer_name = serializers.CharField(allow_null=True)

    class Meta:
        model = VendorClient
        fields = ("id", "external_id", "name", "domain", "first_seen_at", "gone_at", "customer", "customer_name")


class FetchIn(serializers.Serializer[Any]):
    believe = serializers.BooleanField(
        required=False, default=False, help_text="Also if most of the mapped clients are not in the list any more."
    )


class ConfirmIn(serializers.Serializer[Any]):
    digest = Text(max_length=64, help_text="Of the sure ones, as they were when you looked.")


class ProposalOut(serializers.Serializer[Any]):
    customer = serializers.UUIDField(source="customer.id")
    customer_name = serializers.CharField(source="customer.name")
    certainty = serializers.ChoiceField(
        choices=[each.value for each in Certainty], source="suggestion.certainty", default=None, allow_null=True,
        help_text="Null: nobody fits.",
    )  # fmt: skip
    reason = serializers.ChoiceField(
        choices=[each.value for each in Reason], source="suggestion.reason", default=None, allow_null=True
    )
    clients = PlainClientOut(many=True, help_text="Of which a person chooses; the most alike first.")


class DriftedOut(serializers.Serializer[Any]):
    mapping = serializers.UUIDField(source="mapping.id")
    customer = serializers.UUIDField(source="mapping.customer_id")
    customer_name = serializers.CharField(source="mapping.customer.name")
    external_id = serializers.CharField(source="mapping.external_id")
    drift = serializers.ChoiceField(choices=[each.value for each in Drift])
    name_when_mapped = serializers.CharField(source="mapping.external_name")
    name = serializers.CharField(source="client.name", help_text="At the vendor, now or last.")
    gone_at = serializers.DateTimeField(source="client.gone_at", allow_null=True)
    successor = PlainClientOut(allow_null=True, help_text="Who has the same name or domain there, where this is gone.")


class ClientListOut(serializers.ModelSerializer[ClientList]):
    awaited = serializers.BooleanField(source="is_awaited")
    detail = serializers.SerializerMethodField(help_text="What the code means.")

    class Meta:
        model = ClientList
        fields = ("asked_at", "asked_by", "awaited", "fetched_at", "ok_at", "code", "detail", "count")

    def get_detail(self, listed: ClientList) -> str:
        return message_of(listed.code)


class MappingStateOut(serializers.Serializer[Any]):
    list = ClientListOut(allow_null=True)
    drifted = DriftedOut(many=True)
    unmapped_customers = serializers.IntegerField()
    unmapped_clients = serializers.IntegerField()
    sure = serializers.IntegerField(help_text="How many suggestions may be confirmed at once.")
    digest = serializers.CharField(help_text="Of these, for `suggestions/confirm`.")


class ClientSourceIn(serializers.Serializer[Any]):
    """`seen_digest`: of the definition that you looked at. Paths are of keys with dots."""

    tool = serializers.UUIDField(help_text="An imported tool of the connection, which reads.")
    seen_digest = Text(max_length=64)
    rows = Text(required=False, allow_blank=True, default="", max_length=300)
    client_id = Text(max_length=300)
    name = Text(max_length=300)
    domain = Text(required=False, allow_blank=True, default="", max_length=300)
    page = Text(required=False, allow_blank=True, default="", max_length=300, help_text="Takes the number of a page.")
    first_page = serializers.IntegerField(required=False, default=1, min_value=0, max_value=1)


class ClientSourceOut(serializers.ModelSerializer[ClientSource]):
    tool = serializers.UUIDField(source="tool_id")

    class Meta:
        model = ClientSource
        fields = (
            "tool", "pinned_digest", "rows", "client_id", "name", "domain", "page", "first_page", "declared_at",
            "declared_by",
        )  # fmt: skip
