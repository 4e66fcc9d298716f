"""The API of a service account's public keys: a part of its viewset."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from identity import services
from identity.api_fields import Text
from identity.assertions import LONGEST_KEY
from identity.models import ServiceAccountKey
from identity.permissions import Permission
from identity.rest import UUID_PATTERN, TenantViewSet
from identity.selectors import KEYS_SHOWN, keys_of
from tenants.errors import NotFound


class ClientKeyOut(serializers.ModelSerializer[ServiceAccountKey]):
    algorithm = serializers.CharField(help_text="EdDSA or ES256: what assertions are signed with.")
    kid = serializers.CharField(help_text="The key's thumbprint (RFC 7638): what an assertion's header names.")
    jwk = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = ServiceAccountKey
        fields = (
            "id", "kid", "algorithm", "jwk", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at",
            "last_used_address",
        )  # fmt: skip


class ClientKeyIn(serializers.Serializer[Any]):
    public_key = Text(
        max_length=LONGEST_KEY, help_text="For Ed25519 or ECDSA P-256: PEM, or a JWK as JSON. Never the private half."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ClientKeys(TenantViewSet):
    """A viewset's part; `get_object` gives the service account."""

    key_permissions = {
        "keys": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "add_key": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "revoke_key": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
    }
    key_changes = frozenset({"add_key", "revoke_key"})

    @extend_schema(responses=ClientKeyOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def keys(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        return Response(ClientKeyOut(keys_of(self.get_object())[:KEYS_SHOWN], many=True).data)

    @extend_schema(request=ClientKeyIn, responses={201: ClientKeyOut})
    @keys.mapping.post
    def add_key(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        account, given = self.get_object(), ClientKeyIn(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(ClientKeyOut(services.add_key(account, **given.validated_data, by=self.actor)).data, status=201)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"keys/(?P<key>{UUID_PATTERN})", url_name="key-revoke")
    def revoke_key(self, request: Request, pk: str | None = None, key: str = "") -> Response:  # noqa: ARG002
        found = keys_of(self.get_object()).filter(id=key).first()
        if found is None:
            raise NotFound
        services.revoke_key(found, by=self.actor)
        return Response(status=204)
