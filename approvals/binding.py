"""What an approval is bound to: one digest over everything that the call would do, and to whom.

It is made when the request is, and made again by the broker of what it is about to send. Two of its parts are digests
themselves: what the tool is declared as, and the exact arguments.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest
from approvals.words import WORDS
from audit.canonical import canonical
from connectors.catalogue import find
from connectors.contract import Tool
from connectors.models import ConnectorInstance, ImportedTool

ACTION, CALL, BATCH, VOTE = "msplex/action/v1", "msplex/call/v1", "msplex/batch/v1", b"msplex/vote/v1"
SALT_BYTES = 16
SPOKEN_WORDS = 6  # 48 bits, of a digest with a nonce that the requester cannot choose


def digest_of(request: ApprovalRequest, *, arguments: Mapping[str, Any], external_id: str, tool_digest: str) -> str:
    """Hex SHA-256. The request says for whom, under which rule and until when; the rest is what is about to be sent."""
    return _hashed({
        **({"held": request.terms} if request.terms else {}),
        **({"preview": request.preview} if request.preview else {}),
        **({"batch": batch_digest(request, tool_digest)} if request.batch else {}),
        "ctx": ACTION,
        "tenant": str(request.tenant_id),
        "customer": str(request.customer_id),
        "external_customer": external_id,
        "instance": str(request.instance_id),
        "connector": request.connector,
        "tool": request.tool,
        "tool_digest": tool_digest,
        "arguments": arguments_digest(arguments),
        "requester": str(request.requester_id),
        "answerable": str(request.answerable_id),
        "agent_session": str(request.agent_session_id or ""),
        "policy": {"rule": str(request.policy_rule or "default"), "version": request.policy_version},
        "need": request.need,
        "factors": sorted(request.factors),
        "nonce": request.nonce,
        "not_after": request.decide_by.isoformat(timespec="microseconds"),
    })  # fmt: skip


def batch_digest(request: ApprovalRequest, tool_digest: str | None = None) -> str:
    """Hex SHA-256 over the exact set: each customer, as the vendor knows it, and what would be done for it.

    Every request of the batch says it of itself, and has the same.
    """
    return _hashed({
        "ctx": BATCH,
        "tenant": str(request.tenant_id),
        "batch": str(request.batch_id),
        "instance": str(request.instance_id),
        "connector": request.connector,
        "tool": request.tool,
        "tool_digest": request.tool_digest if tool_digest is None else tool_digest,
        "customers": sorted(request.batch["customers"]),
        "requester": str(request.requester_id),
        "answerable": str(request.answerable_id),
        "agent_session": str(request.agent_session_id or ""),
        "need": request.need,
        "factors": sorted(request.factors),
        "not_after": request.decide_by.isoformat(timespec="microseconds"),
    })  # fmt: skip


def place_of(customer: UUID, external_id: str, arguments: Mapping[str, Any]) -> list[str]:
    """One customer's line in the set."""
    return [str(customer), external_id, arguments_digest(arguments)]


def is_placed(request: ApprovalRequest, arguments: Mapping[str, Any], external_id: str) -> bool:
    """Whether exactly this is in the set that was decided about; what is no part of one is."""
    return not request.batch or place_of(request.customer_id, external_id, arguments) in request.batch["customers"]


def shown_digest(request: ApprovalRequest) -> str:
    """What people compare and sign: of the whole set, where it is about several customers."""
    return batch_digest(request) if request.batch else request.digest


def fingerprint_of(
    instance: UUID, tool: str, arguments: Mapping[str, Any], terms: Mapping[str, Any] | None = None
) -> str:
    """By which the same call is known again. With terms it is no call, but a grant for one that is held in advance."""
    held = {"held": dict(terms)} if terms else {}
    return _hashed({
        **held, "ctx": CALL, "instance": str(instance), "tool": tool, "arguments": arguments_digest(arguments)
    })  # fmt: skip


def arguments_digest(arguments: Any) -> str:
    return hashlib.sha256(exact_text(arguments).encode()).hexdigest()


def exact_text(arguments: Any) -> str:
    """Every character and every number. The database gives 100.0 back as 100, so both are the same here."""
    return json.dumps(_exact(arguments), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


IMPORTED = (
    "SELECT name, pinned_digest, declaration, risk, tier FROM connectors_importedtool"
    " WHERE tenant_id = %s AND instance_id = %s AND state = 'exposed'"
)


def tool_digest_of(connector: str, tool: str, imported: Iterable[Sequence[Any]] = ()) -> str:
    """Of the declaration in this release, or by a person; empty, if there is none.

    `imported`: the rows of IMPORTED, where the tools of the connection are the tenant's. What such a tool hangs on
    decides whose its answer is, so that one's declaration is in the digest too.
    """
    entry = find(connector)
    found = entry.tool(tool) if entry else None
    return _declared(found) if found else _declared_by_people(tool, imported)


def imported_of(instance: ConnectorInstance) -> list[tuple[Any, ...]]:
    """The rows of IMPORTED, by the ORM."""
    exposed = ImportedTool.objects.filter(instance=instance, state=ImportedTool.State.EXPOSED)
    return list(exposed.values_list("name", "pinned_digest", "declaration", "risk", "tier"))


def _declared_by_people(tool: str, imported: Iterable[Sequence[Any]]) -> str:
    rows = {row[0]: [*row[:2], json.loads(row[2]) if isinstance(row[2], str) else row[2], *row[3:]] for row in imported}
    row = rows.get(tool)
    if row is None:
        return ""
    parts = [row, rows.get(row[2].get("parent", ""))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def words_of(digest: str) -> str:
    """For two people on the phone."""
    return " ".join(WORDS[byte] for byte in bytes.fromhex(digest)[:SPOKEN_WORDS])


def challenge_of(digest: str, approver: UUID, salt: bytes) -> bytes:
    """What a passkey signs: the salt, and a digest over the action, the person and the salt."""
    return salt + hashlib.sha256(VOTE + bytes.fromhex(digest) + approver.bytes + salt).digest()


def is_challenge(signed: bytes, digest: str, approver: UUID) -> bool:
    """Whether that is one over this action and this person, whatever its salt."""
    return signed == challenge_of(digest, approver, signed[:SALT_BYTES])


def _declared(tool: Tool) -> str:
    parts = [
        tool.name, tool.risk.value, tool.tier.value, tool.narrowing.value, tool.creates, tool.input_schema,
        tool.preview.as_json() if tool.preview else None,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=dict).encode()).hexdigest()


def _exact(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    return [_exact(item) for item in value] if isinstance(value, list | tuple) else value


def _hashed(value: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
