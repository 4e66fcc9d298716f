"""Whether a call's row is what was put on record when the call was let through."""

import hashlib
from typing import Any

from audit.evidence import Intent
from audit.services import actor_fields
from connectors.arguments import call_digest
from connectors.models import ConnectorInstance, ToolCall


def as_recorded(call: ToolCall) -> dict[str, Any]:
    """What the record of the intent says of the row, beside what every event says: for its body.

    `answers_to`: of the key that its answer is sealed with (SHA-256, hex), so that nobody can have it sent to another.
    """
    answers_to = hashlib.sha256(bytes(call.reply_key)).hexdigest() if call.reply_key else ""
    return {"answers_to": answers_to, "arguments_digest": call.arguments_digest, "roles": call.roles}


def is_as_recorded(call: ToolCall, instance: ConnectorInstance, intent: Intent | None) -> bool:
    """Tool, arguments, connection, customer, caller with its roles, whom it answers; and that it has not ended yet."""
    if intent is None or intent.ended:
        return False
    header, body = intent.evidence.header, intent.evidence.body
    digest = call_digest(f"{instance.slug}_{call.tool}", call.arguments)
    return (
        header.get("call") == {"id": str(call.id), "instance": str(call.instance_id), "tool": call.tool}
        and header.get("customer") == str(call.customer_id)
        and header.get("actor") == actor_fields(call.actor())
        and digest == call.arguments_digest
        and body | as_recorded(call) == body
    )
