"""What the log says of a credential, a connection's or one customer's: which is the newest, and what was sealed.

For the broker. That a customer's own was removed is on record too: without that it is not missing, but taken away.

A record counts if a process of ours wrote it (its MAC), and its body is the one that its header commits to. Someone
who can write to the database can do neither.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.evidence import Forged, evidence
from audit.kinds import EventKind
from audit.streams import Mark
from connectors.models import ConnectorInstance
from tenants.isolation.statements import Signed, one

_RECORD = "SELECT id, header, body, writer, boot, n, mac FROM border.credential_record(%s, %s)"


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """`event` is the record's id. Without `digest` its body was erased. `removed`: the last that was done to it."""

    event: UUID
    credential: UUID
    digest: str
    version: int | None
    kek_id: str
    removed: bool = False


def ask_record(db: Signed, instance: ConnectorInstance, customer: UUID | None) -> Any:
    return db.ask(_RECORD, instance.id, customer)


def record_of(asked: Any, instance: ConnectorInstance, customer: UUID | None) -> StoredRecord | None:
    """The newest. Forged if it is not what one of our processes wrote of this connection and this customer."""
    row = one(asked)
    if row is None:
        return None
    event, header, body, writer, boot, n, mac = row
    found = evidence(event, bytes(header), bytes(body or b""), Mark(writer, boot, n, bytes(mac)))
    said, told = found.header, found.body
    if not _is_about(said, instance, customer):
        raise Forged
    return StoredRecord(
        event, UUID(said["subject"]["id"]), told.get("digest", ""), told.get("version"), told.get("kek", ""),
        removed=said["kind"] == EventKind.CREDENTIAL_REMOVED.value,
    )  # fmt: skip


_KINDS = frozenset({EventKind.CREDENTIAL_STORED.value, EventKind.CREDENTIAL_REMOVED.value})


def _is_about(said: dict[str, Any], instance: ConnectorInstance, customer: UUID | None) -> bool:
    return (
        said.get("customer") == (str(customer) if customer else None)
        and said.get("kind") in _KINDS
        and said.get("call", {}).get("instance") == str(instance.id)
        and said.get("subject", {}).get("kind") == "credential"
    )
