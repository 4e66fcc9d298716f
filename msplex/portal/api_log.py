"""The log as others check it: checkpoints, proofs and tiles. Whoever may read events of the tenant may ask."""

import base64
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit.log_keys import log_keys
from audit.packs.keys import described
from audit.tlog.tiles import width_of
from audit.trees import SignedCheckpoint, checkpoint_at, newest_checkpoint, prove_event, prove_growth, tile_reader
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.web import public
from tenants.errors import Invalid, NotFound

LARGEST = 2**63 - 1
HIGHEST_LEVEL = 7  # of tiles of 256: more leaves than there can be


def _encoded(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class CheckpointOut(serializers.Serializer[Any]):
    epoch = serializers.IntegerField()
    origin = serializers.CharField(source="head.origin")
    size = serializers.IntegerField()
    root = serializers.SerializerMethodField(help_text="Base64.")  # type: ignore[assignment]  # DRF's has one, too
    note = serializers.CharField(help_text="The signed note (c2sp.org/tlog-checkpoint).")

    def get_root(self, signed: SignedCheckpoint) -> str:
        return _encoded([signed.head.root])[0]


class InclusionOut(serializers.Serializer[Any]):
    epoch = serializers.IntegerField()
    index = serializers.IntegerField(help_text="Of the leaf.")
    k = serializers.IntegerField(help_text="Among the events of its customer.")
    proof = serializers.CharField(help_text="c2sp.org/tlog-proof, with the checkpoint that it leads to.")


class ConsistencyOut(serializers.Serializer[Any]):
    old = CheckpointOut()
    new = CheckpointOut()
    hashes = serializers.ListField(child=serializers.CharField(), help_text="RFC 6962, 2.1.2; base64.")


class TileOut(serializers.Serializer[Any]):
    level = serializers.IntegerField()
    number = serializers.IntegerField()
    hashes = serializers.ListField(child=serializers.CharField(), help_text="256 of them, or as many as there are.")


class _EpochIn(serializers.Serializer[Any]):
    epoch = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=2**31 - 1)


class CheckpointIn(_EpochIn):
    size = serializers.IntegerField(min_value=1, max_value=LARGEST)


class EventIn(serializers.Serializer[Any]):
    event = serializers.UUIDField()


class GrowthIn(_EpochIn):
    old = serializers.IntegerField(min_value=1, max_value=LARGEST)
    new = serializers.IntegerField(min_value=1, max_value=LARGEST)


class TileIn(_EpochIn):
    level = serializers.IntegerField(min_value=0, max_value=HIGHEST_LEVEL)
    number = serializers.IntegerField(min_value=0, max_value=LARGEST)


def _asked(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = serializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _numbers(*names: str) -> list[OpenApiParameter]:
    required = [OpenApiParameter(name, int, required=True) for name in names]
    return [*required, OpenApiParameter("epoch", int, description="The newest one unless it is named.")]


class AuditLogViewSet(TenantViewSet):
    serializer_class = CheckpointOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = dict.fromkeys(
        ("list", "checkpoint", "inclusion", "consistency", "tile"), Permission.AUDIT_EVENT_READ
    )

    @extend_schema(responses=CheckpointOut, operation_id="audit_log_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        """The newest signed checkpoint."""
        return Response(CheckpointOut(newest_checkpoint()).data)

    @extend_schema(parameters=_numbers("size"), responses=CheckpointOut)
    @action(detail=False, methods=["get"])
    def checkpoint(self, request: Request) -> Response:
        asked = _asked(CheckpointIn, request)
        return Response(CheckpointOut(checkpoint_at(asked["size"], asked["epoch"])).data)

    @extend_schema(parameters=[OpenApiParameter("event", UUID, required=True)], responses=InclusionOut)
    @action(detail=False, methods=["get"])
    def inclusion(self, request: Request) -> Response:
        """That an event is in the newest signed checkpoint."""
        leaf, proof = prove_event(_asked(EventIn, request)["event"])
        said = {"epoch": leaf.epoch, "index": leaf.index, "k": leaf.k, "proof": str(proof)}
        return Response(InclusionOut(said).data)

    @extend_schema(parameters=_numbers("old", "new"), responses=ConsistencyOut)
    @action(detail=False, methods=["get"])
    def consistency(self, request: Request) -> Response:
        """That the log of one signed checkpoint is the beginning of that of another."""
        asked = _asked(GrowthIn, request)
        if asked["old"] > asked["new"]:
            raise Invalid("The old size is the smaller one.", field="old")
        old, new = (checkpoint_at(asked[which], asked["epoch"]) for which in ("old", "new"))
        hashes = _encoded(prove_growth(old.size, new.size, new.epoch))
        return Response(ConsistencyOut({"old": old, "new": new, "hashes": hashes}).data)

    @extend_schema(parameters=_numbers("level", "number"), responses=TileOut)
    @action(detail=False, methods=["get"])
    def tile(self, request: Request) -> Response:
        """A tile (c2sp.org/tlog-tiles) of the newest signed checkpoint."""
        asked = _asked(TileIn, request)
        level, number, signed = asked["level"], asked["number"], newest_checkpoint(asked["epoch"])
        width = width_of(level, number, signed.size)
        if not width:
            raise NotFound
        hashes = _encoded(tile_reader(signed.epoch)(level, number, width))
        return Response(TileOut({"level": level, "number": number, "hashes": hashes}).data)


@public("whoever checks the log asks for its keys")
def log_keys_view(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """Each key that signs or has signed checkpoints, oldest first; times are in UTC."""
    return JsonResponse({"keys": [described(key) for key in log_keys()]})


routes = [
    ("audit-log", AuditLogViewSet, "audit-log"),
]
