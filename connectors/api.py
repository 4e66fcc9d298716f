from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from connectors import services
from connectors.api_clients import InstanceClients
from connectors.api_hooks import InstanceHooks
from connectors.api_own import InstanceOwn
from connectors.custody import credentials, key_state
from connectors.filters import CallFilter, SignalFilter
from connectors.models import ConnectorInstance, Credential, Signal, ToolCall
from connectors.pauses import resume_risky_tools
from connectors.retiring import retire_instance
from connectors.selectors import Offer, catalogue, instances_with_credentials, mappings, pulls, signals, tool_calls
from connectors.serializers import (
    ConfigurationIn,
    InstanceIn,
    InstanceOut,
    KeptCredentialOut,
    KeysOut,
    MappingIn,
    MappingOut,
    OfferOut,
    PullOut,
    ResumeIn,
    SignalOut,
    ToolCallOut,
    mappings_out,
)
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input
from tenants.errors import NotFound
from tenants.selectors import entitlements

UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class CatalogueViewSet(TenantViewSet):
    """The catalogue is code and short, so it comes in one piece."""

    serializer_class = OfferOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {
        "list": Permission.CONNECTORS_CATALOGUE_READ,
        "retrieve": Permission.CONNECTORS_CATALOGUE_READ,
    }

    def get_queryset(self) -> list[Offer]:  # type: ignore[override]
        return catalogue(timezone.now())

    @extend_schema(responses=OfferOut(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(OfferOut(self.get_queryset(), many=True).data)

    @extend_schema(responses=OfferOut, parameters=[OpenApiParameter("id", str, OpenApiParameter.PATH)])
    def retrieve(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        offer = next((offer for offer in self.get_queryset() if offer.connector.key == pk), None)
        if offer is None:
            raise NotFound
        return Response(OfferOut(offer).data)


class InstanceViewSet(ListModelMixin, RetrieveModelMixin, InstanceClients, InstanceHooks, InstanceOwn):
    serializer_class = InstanceOut
    required_permissions = {
        "list": Permission.CONNECTORS_INSTANCE_READ,
        "retrieve": Permission.CONNECTORS_INSTANCE_READ,
        "create": Permission.CONNECTORS_INSTANCE_MANAGE,
        "configure": Permission.CONNECTORS_INSTANCE_MANAGE,
        "check": Permission.CONNECTORS_INSTANCE_MANAGE,
        "activate": Permission.CONNECTORS_INSTANCE_MANAGE,
        "deactivate": Permission.CONNECTORS_INSTANCE_MANAGE,
        "resume": Permission.CONNECTORS_INSTANCE_MANAGE,
        "retire": Permission.CONNECTORS_INSTANCE_MANAGE,
        "mappings": Permission.CONNECTORS_INSTANCE_READ,
        "map": Permission.CONNECTORS_INSTANCE_MANAGE,
        "unmap": Permission.CONNECTORS_INSTANCE_MANAGE,
        **InstanceClients.permissions,
        **InstanceHooks.hook_permissions,
        **InstanceOwn.own_permissions,
    }
    recent_mfa_actions = (
        frozenset({"configure", "resume", "retire"})
        | InstanceHooks.hooks_confirmed
        | InstanceClients.sources_confirmed
        | InstanceOwn.own_confirmed
    )

    def get_queryset(self) -> QuerySet[ConnectorInstance]:
        return instances_with_credentials()

    def get_serializer_context(self) -> dict[str, Any]:
        held = {entitlement.connector: entitlement for entitlement in entitlements()}
        manages = self.principal.allows_everywhere(Permission.CONNECTORS_INSTANCE_MANAGE)
        return {**super().get_serializer_context(), "entitlements": held, "manages": manages, "now": timezone.now()}

    def _shown(self, instance: ConnectorInstance, *, status: int = 200) -> Response:
        fresh = self.get_queryset().get(pk=instance.pk)
        return Response(self.get_serializer(fresh).data, status=status)

    @extend_schema(request=InstanceIn, responses={201: InstanceOut})
    def create(self, request: Request) -> Response:
        terms = valid_input(InstanceIn(data=request.data))
        return self._shown(services.start_instance(**terms, by=self.actor), status=201)

    @extend_schema(request=ConfigurationIn, responses=InstanceOut)
    @action(detail=True, methods=["post"])
    def configure(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()  # first: what is sent is nobody's business at an object that is not there
        terms = valid_input(ConfigurationIn(data=request.data))
        return self._shown(services.configure_instance(instance, **terms, by=self.actor))

    @extend_schema(request=None, responses={202: None})
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        services.request_health_check(self.get_object(), by=self.actor)
        return Response(status=202)

    @extend_schema(request=None, responses=InstanceOut)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return self._shown(services.activate_instance(self.get_object(), by=self.actor))

    @extend_schema(request=None, responses=InstanceOut)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return self._shown(services.deactivate_instance(self.get_object(), by=self.actor))

    @extend_schema(request=None, responses=InstanceOut)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return self._shown(retire_instance(self.get_object(), by=self.actor))

    @extend_schema(request=ResumeIn, responses=InstanceOut)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()
        terms = valid_input(ResumeIn(data=request.data))
        resume_risky_tools(instance, **terms, by=self.actor)
        return self._shown(instance)

    @extend_schema(responses=MappingOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def mappings(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()
        return Response(mappings_out(instance, mappings(instance)))

    @extend_schema(request=MappingIn, responses={201: MappingOut})
    @mappings.mapping.post
    def map(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()
        terms = valid_input(MappingIn(data=request.data))
        mapping = services.map_customer(instance, **terms, by=self.actor)
        return Response(mappings_out(instance, [mapping])[0], status=201)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"mappings/(?P<mapping>{UUID_PATTERN})")
    def unmap(self, request: Request, pk: str = "", mapping: str = "") -> Response:  # noqa: ARG002
        found = mappings(self.get_object()).filter(id=mapping).first()
        if found is None:
            raise NotFound
        services.unmap_customer(found, by=self.actor)
        return Response(status=204)


class CredentialViewSet(ListModelMixin, TenantViewSet):
    """The current credential of each connection, and the keys that they are kept under."""

    serializer_class = KeptCredentialOut
    required_permissions = {
        "list": Permission.CONNECTORS_INSTANCE_MANAGE,
        "keys": Permission.CONNECTORS_INSTANCE_MANAGE,
    }

    def get_queryset(self) -> QuerySet[Credential]:
        return credentials()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "keys": key_state(), "now": timezone.now()}

    @extend_schema(responses=KeysOut, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def keys(self, request: Request) -> Response:  # noqa: ARG002
        return Response(KeysOut(key_state()).data)


class SignalViewSet(ListModelMixin, TenantViewSet):
    serializer_class = SignalOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = SignalFilter
    required_permissions = {
        "list": Permission.CONNECTORS_INSTANCE_READ,
        "pulls": Permission.CONNECTORS_INSTANCE_READ,
    }

    def get_queryset(self) -> QuerySet[Signal]:
        return signals()

    @extend_schema(responses=PullOut(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=())
    def pulls(self, request: Request) -> Response:  # noqa: ARG002
        """When each connection was last asked, and what came of it."""
        return Response(PullOut(pulls(), many=True, context={"whole_tenant": self.principal.scope() is None}).data)


class ToolCallViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = ToolCallOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = CallFilter
    required_permissions = {"list": Permission.GATEWAY_CALL_READ, "retrieve": Permission.GATEWAY_CALL_READ}

    def get_queryset(self) -> QuerySet[ToolCall]:
        return tool_calls()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "whole_tenant": self.principal.scope() is None}


routes = [
    ("connectors", CatalogueViewSet, "connector"),
    ("connector-instances", InstanceViewSet, "connector-instance"),
    ("credentials", CredentialViewSet, "credential"),
    ("signals", SignalViewSet, "signal"),
    ("tool-calls", ToolCallViewSet, "tool-call"),
]
