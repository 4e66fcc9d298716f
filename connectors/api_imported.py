"""Tools of a server or a description over the API: looked for, declared, exposed, withdrawn (connectors.imported)."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.contract import EXPOSABLE, Risk, Tier
from connectors.imported.declaration import Declaration
from connectors.imported.definitions import differences
from connectors.imported.discovery import request_discovery
from connectors.imported.openapi.describing import MOST_CHARACTERS, describe
from connectors.imported.reviewing import Classification, classify_tool, expose_tool, withdraw_tool
from connectors.models import ConnectorInstance, Discovery, ImportedTool
from connectors.selectors import imported_tools, instances
from identity.api_fields import Text
from identity.permissions import Permission
from identity.rest import TenantViewSet

_PATHS: dict[str, Any] = {"required": False, "allow_blank": True, "default": "", "max_length": 300}


class DeclarationField(serializers.Serializer[Any]):
    """How the tool is held to one customer; docs/connectors.md says what each part means."""

    narrowing = serializers.ChoiceField(choices=sorted(each.value for each in EXPOSABLE))
    owner = Text(max_length=300, help_text="Where a row names the customer, or with B its parent.")
    rows = Text(**_PATHS, help_text="Where the answer has its rows; empty for the answer itself.")
    picked = serializers.ListField(child=Text(max_length=300), max_length=100, help_text="Values that are given out.")
    arguments = serializers.ListField(child=Text(max_length=300), max_length=100, required=False, default=list)
    customer = Text(**_PATHS, help_text="The argument that takes the customer's id.")
    parent = Text(  # type: ignore[assignment]  # DRF takes the name out of the class
        **_PATHS, help_text="The exposed tool that reads what this one hangs on."
    )
    parent_argument = Text(**_PATHS)
    parent_key = Text(**_PATHS)
    parent_id = Text(required=False, default="id", max_length=300)
    creates = serializers.BooleanField(required=False, default=False)
    redactions = serializers.ListField(child=Text(max_length=300), max_length=100, required=False, default=list)
    limit = Text(**_PATHS, help_text="The argument that bounds the rows of a page.")
    only_reads = serializers.BooleanField(
        required=False, default=False, help_text="You say that it only reads, although its method is POST."
    )


class ClassificationIn(serializers.Serializer[Any]):
    """`seen_digest`: of the definition that you looked at; another one meanwhile is a conflict."""

    seen_digest = Text(max_length=64)
    title = Text(max_length=200)
    description = Text(max_length=2000, help_text="Agents read it, and never what the server says.")
    risk = serializers.ChoiceField(choices=[each.value for each in Risk])
    tier = serializers.ChoiceField(choices=[each.value for each in Tier])
    declaration = DeclarationField()


class DiscoverIn(serializers.Serializer[Any]):
    instance = serializers.UUIDField()

    def validate_instance(self, value: Any) -> ConnectorInstance:
        found = instances().filter(pk=value).first()
        if found is None:
            raise serializers.ValidationError("There is no such connection.")
        return found


class DescribeIn(DiscoverIn):
    description = Text(max_length=MOST_CHARACTERS, help_text="OpenAPI 3.0 or 3.1, as JSON or plain YAML.")


class DiscoveryOut(serializers.ModelSerializer[Discovery]):
    class Meta:
        model = Discovery
        fields = ("created_at", "found", "unusable", "reasons", "added", "changed")


class ImportedToolOut(serializers.ModelSerializer[ImportedTool]):
    instance = serializers.UUIDField(source="instance_id")  # type: ignore[assignment]  # DRF takes it out of the class
    definition = serializers.JSONField(source="seen", help_text="In the server's words; empty, if it is gone.")
    differences = serializers.SerializerMethodField(help_text="From the definition that was reviewed.")

    class Meta:
        model = ImportedTool
        fields = (
            "id", "instance", "name", "state", "seen_digest", "pinned_digest", "title", "description", "risk", "tier",
            "declaration", "definition", "differences", "created_at", "classified_at", "classified_by", "exposed_at",
            "exposed_by",
        )  # fmt: skip

    def get_differences(self, tool: ImportedTool) -> list[list[str]]:
        if not tool.pinned_digest or tool.pinned_digest == tool.seen_digest:
            return []
        return [list(each) for each in differences(tool.pinned, tool.seen)]


class ImportedToolFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    instance = filters.UUIDFilter(field_name="instance_id")
    state = filters.ChoiceFilter(choices=ImportedTool.State.choices)

    class Meta:
        model = ImportedTool
        fields: tuple[str, ...] = ()


def classification(terms: dict[str, Any]) -> Classification:
    return Classification(
        terms["title"], terms["description"], Risk(terms["risk"]), Tier(terms["tier"]),
        Declaration.of(terms["declaration"]),
    )  # fmt: skip


class ImportedToolViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = ImportedToolOut
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = ImportedToolFilter
    required_permissions = dict.fromkeys(
        ("list", "retrieve", "discover", "describe", "classify", "expose", "withdraw"),
        Permission.CONNECTORS_INSTANCE_MANAGE,
    )
    recent_mfa_actions = frozenset({"classify", "expose"})

    def get_queryset(self) -> QuerySet[ImportedTool]:
        return imported_tools()

    @extend_schema(request=DiscoverIn, responses={202: None})
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def discover(self, request: Request) -> Response:
        """The broker asks the server what it offers; the list has it in a moment."""
        asked = DiscoverIn(data=request.data)
        asked.is_valid(raise_exception=True)
        request_discovery(asked.validated_data["instance"], by=self.actor)
        return Response(status=202)

    @extend_schema(request=DescribeIn, responses=DiscoveryOut)
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def describe(self, request: Request) -> Response:
        """What a connection offers, for one whose description has no address; counts of what could be read."""
        said = DescribeIn(data=request.data)
        said.is_valid(raise_exception=True)
        terms = said.validated_data
        return Response(DiscoveryOut(describe(terms["instance"], terms["description"], by=self.actor)).data)

    @extend_schema(request=ClassificationIn, responses=ImportedToolOut)
    @action(detail=True, methods=["post"])
    def classify(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        tool = self.get_object()
        said = ClassificationIn(data=request.data)
        said.is_valid(raise_exception=True)
        terms = said.validated_data
        tool = classify_tool(tool, seen_digest=terms["seen_digest"], terms=classification(terms), by=self.actor)
        return Response(ImportedToolOut(tool).data)

    @extend_schema(request=None, responses=ImportedToolOut)
    @action(detail=True, methods=["post"])
    def expose(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(ImportedToolOut(expose_tool(self.get_object(), by=self.actor)).data)

    @extend_schema(request=None, responses=ImportedToolOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(ImportedToolOut(withdraw_tool(self.get_object(), by=self.actor)).data)


routes = [("imported-tools", ImportedToolViewSet, "imported-tool")]
