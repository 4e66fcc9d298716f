"""What is shown of a request's preview, and to whom."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from approvals.effects.models import Preview
from approvals.effects.services import LATE, is_waited_for
from approvals.models import ApprovalRequest
from identity.permissions import Permission
from identity.principals import ActingPrincipal

HELD = "It is a grant for later: what its host will find then, nobody can know now."
UNDECLARED = "Its connector declares nothing that could be read beforehand."
UNSEEN = "It is shown to those who may decide, or may read from the vendor themselves."
WAITING, READ, NONE = "waiting", "read", "none"
SHOWN = 3  # objects; more are folded


@dataclasses.dataclass(frozen=True, slots=True)
class Effects:
    """`state`: waiting, read or none, and then `why`."""

    state: str
    why: str = ""
    does: str = ""
    objects: Sequence[Mapping[str, Any]] = ()
    read_at: datetime | None = None
    digest: str = ""

    @property
    def extent(self) -> str:
        return "one object" if len(self.objects) == 1 else f"exactly these {len(self.objects)}"

    @property
    def first(self) -> Sequence[Mapping[str, Any]]:
        return self.objects[:SHOWN]

    @property
    def folded(self) -> Sequence[Mapping[str, Any]]:
        return self.objects[SHOWN:]


def effects_of(request: ApprovalRequest, principal: ActingPrincipal) -> Effects:
    if request.terms:
        return Effects(NONE, HELD)
    if not request.preview:
        return Effects(NONE, UNDECLARED)
    does = str(request.preview.get("does", ""))
    if not may_see(request, principal):
        return Effects(NONE, UNSEEN, does)
    found = preview_of(request)
    if is_waited_for(request, found):
        return Effects(WAITING, does=does)
    if found is None or found.state != Preview.State.READ:
        return Effects(NONE, (found.why if found else "") or LATE, does)
    return Effects(READ, "", does, found.objects_seen, found.read_at, found.digest)


def preview_of(request: ApprovalRequest) -> Preview | None:
    return Preview.objects.filter(request=request).first()


def may_see(request: ApprovalRequest, principal: ActingPrincipal) -> bool:
    needed = (Permission.APPROVALS_REQUEST_DECIDE, Permission.GATEWAY_TOOL_READ)
    return any(principal.allows(each, request.customer_id) for each in needed)
