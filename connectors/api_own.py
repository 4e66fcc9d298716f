"""Credentials of single customers over the API."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import ConnectorInstance, CustomerMapping
from connectors.own_credentials import (
    remove_own_credential,
    request_own_check,
    require_own_credentials,
    store_own_credential,
)
from connectors.selectors import mappings
from connectors.serializers import MappingOut, OwnCredentialIn, OwnCredentialsOnlyIn, mappings_out
from identity.permissions import Permission
from identity.rest import UUID_PATTERN, TenantViewSet, valid_input
from tenants.errors import NotFound

_PATH = rf"mappings/(?P<mapping>{UUID_PATTERN})/credential"


class InstanceOwn(TenantViewSet):
    """Actions of a connection, for InstanceViewSet. `credential` of each of its `mappings` says how it stands."""

    own_permissions = {
        "own_credential": Permission.CONNECTORS_INSTANCE_MANAGE,
        "remove_own_credential": Permission.CONNECTORS_INSTANCE_MANAGE,
        "check_own_credential": Permission.CONNECTORS_INSTANCE_MANAGE,
        "own_credentials_only": Permission.CONNECTORS_INSTANCE_MANAGE,
    }
    own_confirmed = frozenset({"own_credential", "remove_own_credential", "own_credentials_only"})

    def _mapping(self, pk: str) -> tuple[ConnectorInstance, CustomerMapping]:
        instance: ConnectorInstance = self.get_object()
        found = mappings(instance).select_related("customer", "instance").filter(id=pk).first()
        if found is None:
            raise NotFound
        return instance, found

    @extend_schema(request=OwnCredentialIn, responses={201: MappingOut})
    @action(detail=True, methods=["post"], url_path=_PATH)
    def own_credential(self, request: Request, pk: str = "", mapping: str = "") -> Response:  # noqa: ARG002
        """Enter a credential of the customer's own, or replace it. A check follows; then it is used, and no other."""
        instance, found = self._mapping(mapping)
        terms = {"expires_on": None} | valid_input(OwnCredentialIn(data=request.data))
        store_own_credential(found, **terms, by=self.actor)
        return Response(mappings_out(instance, [found])[0], status=201)

    @extend_schema(request=None, responses={204: None})
    @own_credential.mapping.delete
    def remove_own_credential(self, request: Request, pk: str = "", mapping: str = "") -> Response:  # noqa: ARG002
        remove_own_credential(self._mapping(mapping)[1], by=self.actor)
        return Response(status=204)

    @extend_schema(request=None, responses={202: None})
    @action(detail=True, methods=["post"], url_path=f"{_PATH}/check")
    def check_own_credential(self, request: Request, pk: str = "", mapping: str = "") -> Response:  # noqa: ARG002
        request_own_check(self._mapping(mapping)[1], by=self.actor)
        return Response(status=202)

    @extend_schema(request=OwnCredentialsOnlyIn, responses={204: None})
    @action(detail=True, methods=["post"], url_path="own-credentials-only")
    def own_credentials_only(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Whether customers without a credential of their own are reached at all."""
        instance = self.get_object()
        require_own_credentials(instance, **valid_input(OwnCredentialsOnlyIn(data=request.data)), by=self.actor)
        return Response(status=204)
