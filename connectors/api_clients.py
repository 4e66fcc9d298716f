"""The vendor's clients over the API: the list, suggestions of the mapping, and what is not true any more."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.clients import request_clients
from connectors.imported.client_sources import Source, declare_client_source, forget_client_source
from connectors.mapping import client_list, clients, confirm_sure, drifted, proposals, unmapped_clients
from connectors.models import ClientSource, VendorClient
from connectors.selectors import client_source, imported_tools, unmapped_customers
from connectors.serializers import MappingOut, mappings_out
from connectors.serializers_clients import (
    ClientOut,
    ClientSourceIn,
    ClientSourceOut,
    ConfirmIn,
    FetchIn,
    MappingStateOut,
    ProposalOut,
)
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input
from tenants.errors import Invalid, NotFound

SHOW = OpenApiParameter("unmapped", bool, description="Only clients that are there and that nobody is mapped to.")


class InstanceClients(TenantViewSet):
    """Actions of a connection, for InstanceViewSet."""

    permissions = {
        "clients": Permission.CONNECTORS_INSTANCE_READ,
        "fetch_clients": Permission.CONNECTORS_INSTANCE_MANAGE,
        "mapping_state": Permission.CONNECTORS_INSTANCE_READ,
        "suggestions": Permission.CONNECTORS_INSTANCE_READ,
        "confirm_suggestions": Permission.CONNECTORS_INSTANCE_MANAGE,
        "client_source": Permission.CONNECTORS_INSTANCE_MANAGE,
        "declare_client_source": Permission.CONNECTORS_INSTANCE_MANAGE,
        "forget_client_source": Permission.CONNECTORS_INSTANCE_MANAGE,
    }
    sources_confirmed = frozenset({"declare_client_source"})

    @extend_schema(responses=ClientOut(many=True), parameters=[SHOW])
    @action(detail=True, methods=["get"])
    def clients(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Whom the vendor's system knows as a client, and who is mapped to each."""
        instance = self.get_object()
        rows: QuerySet[VendorClient] = clients(instance)
        if _only_unmapped(request):
            rows = rows.filter(id__in=unmapped_clients(instance).values("id"))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(ClientOut(page, many=True).data)

    @extend_schema(request=FetchIn, responses={202: None})
    @action(detail=True, methods=["post"], url_path="clients/fetch")
    def fetch_clients(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Ask the broker for the list; `mapping-state` says when it is there."""
        instance = self.get_object()
        request_clients(instance, **valid_input(FetchIn(data=request.data)), by=self.actor)
        return Response(status=202)

    @extend_schema(responses=MappingStateOut, filters=False)
    @action(detail=True, methods=["get"], url_path="mapping-state", pagination_class=None)
    def mapping_state(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """How old the list is, what is not true any more of what is mapped, and how many are not mapped."""
        instance = self.get_object()
        found = proposals(instance)
        state = {
            "list": client_list(instance),
            "sure": len(found.sure),
            "digest": found.digest,
            "drifted": drifted(instance),
            "unmapped_customers": len(found.rows),
            "unmapped_clients": unmapped_clients(instance).count(),
        }
        return Response(MappingStateOut(state).data)

    @extend_schema(responses=ProposalOut(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def suggestions(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Every active customer without a mapping, and which clients it may be."""
        instance = self.get_object()
        found = {row.customer.id: row for row in proposals(instance).rows}
        page = self.paginate_queryset(unmapped_customers(instance)) or []
        rows = [found[customer.id] for customer in page if customer.id in found]
        return self.get_paginated_response(ProposalOut(rows, many=True).data)

    @extend_schema(request=ConfirmIn, responses={201: MappingOut(many=True)})
    @action(detail=True, methods=["post"], url_path="suggestions/confirm", pagination_class=None)
    def confirm_suggestions(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Map every sure one. `digest`: that of `mapping-state`, when the suggestions were looked at."""
        instance = self.get_object()
        made = confirm_sure(instance, **valid_input(ConfirmIn(data=request.data)), by=self.actor)
        return Response(mappings_out(instance, made), status=201)

    @extend_schema(responses=ClientSourceOut, filters=False)
    @action(detail=True, methods=["get"], url_path="client-source", pagination_class=None)
    def client_source(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Which imported tool lists the clients, and what is read of its answer."""
        return Response(ClientSourceOut(self._source()).data)

    @extend_schema(request=ClientSourceIn, responses={201: ClientSourceOut})
    @client_source.mapping.post
    def declare_client_source(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()
        said = valid_input(ClientSourceIn(data=request.data))
        tool = imported_tools().filter(instance=instance, pk=said.pop("tool")).first()
        if tool is None:
            raise Invalid("This connection has no tool with that id.", field="tool")
        seen_digest = said.pop("seen_digest")
        source = declare_client_source(tool, seen_digest=seen_digest, terms=Source(**said), by=self.actor)
        return Response(ClientSourceOut(source).data, status=201)

    @extend_schema(request=None, responses={204: None})
    @client_source.mapping.delete
    def forget_client_source(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        forget_client_source(self._source().tool, by=self.actor)
        return Response(status=204)

    def _source(self) -> ClientSource:
        found = client_source(self.get_object())
        if found is None:
            raise NotFound
        return found


def _only_unmapped(request: Request) -> bool:
    said = request.query_params.get("unmapped", "").lower()
    if said not in {"", "0", "1", "false", "true"}:
        raise Invalid("Say true or false.", field="unmapped")
    return said in {"1", "true"}
