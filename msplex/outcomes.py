"""What became of a call, and the sentences that its caller is told."""

import dataclasses
from typing import Any

from audit.errors import AuditUnavailable
from connectors.errors import ExecutionError, ObjectChanged, PartlyDone
from connectors.exchanges import Exchange
from connectors.models import ToolCall
from msplex.decision.verdicts import Code

MESSAGE_UNKNOWN = "The call may or may not have reached the vendor. Look there before you try again."
MESSAGE_EXPIRED = "The call waited too long for the broker and was not sent. Try again in a moment."
MESSAGE_PAUSED = "The outcome of another call became unknown, so nothing was sent. A person has to look first."
MESSAGE_SUSPENDED = "The tool is suspended, because its vendor mixed customers, so nothing was sent."
MESSAGE_UNCHECKED = "Whether the call may run could not be checked, so nothing was sent. Try again."
MESSAGE_VOID = "So the approval does not hold, and nothing was sent. Call again to ask anew."
MESSAGE_NOT_RECORDED = "The call is not what was recorded when it was let through, so nothing was sent. Call again."
MESSAGE_NOT_READY = "The connector instance is not active any more, so nothing was sent."


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. `answered`: the vendor did the work, so it is billed."""

    state: ToolCall.State
    code: str = ""
    message: str = ""
    retryable: bool = False
    retry_after: int | None = None
    structured: dict[str, Any] | None = None
    rows_returned: int | None = None
    rows_dropped: int | None = None
    rows_foreign: int = 0
    vendor_requests: int = 0
    vendor_bytes: int = 0
    exchanges: tuple[Exchange, ...] = ()
    answered: bool = False


LOST = Outcome(ToolCall.State.UNKNOWN, Code.OUTCOME_UNKNOWN, MESSAGE_UNKNOWN)
UNRECORDED = Outcome(ToolCall.State.FAILED, Code.AUDIT_UNAVAILABLE, AuditUnavailable().message, retryable=True)


def lost_in(error: ExecutionError) -> Outcome:
    """Of several objects, what is known of each is said."""
    message = f"{error} {MESSAGE_UNKNOWN}" if isinstance(error, PartlyDone) else MESSAGE_UNKNOWN
    return dataclasses.replace(LOST, message=message, vendor_requests=error.vendor_requests, exchanges=error.exchanges)


def changed_since(error: ObjectChanged) -> Outcome:
    """The target has drifted: people agreed to something else."""
    message = f"{error} Changed since: {', '.join(error.what)}. {MESSAGE_VOID}"
    return Outcome(
        ToolCall.State.FAILED, Code.APPROVAL_VOID, message, vendor_requests=error.vendor_requests,
        vendor_bytes=error.vendor_bytes, exchanges=error.exchanges,
    )  # fmt: skip
