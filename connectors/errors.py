"""Why a call did not bring an answer. Messages are fixed texts: they hold no secret and nothing the vendor said."""

from collections.abc import Sequence
from typing import Self

from connectors.exchanges import Exchange

MESSAGES = {
    "arguments_invalid": "The arguments do not fit the tool's input schema.",
    "connector_fault": "The connector failed. The operator's log names the place.",
    "description_too_large": "The description is too large, or has more than 1,000 operations: say which paths.",
    "description_unreadable": "The description is neither JSON nor plain YAML, or is no OpenAPI description.",
    "description_version": "The description is not of OpenAPI 3.0 or 3.1. Swagger 2.0 has to be converted first.",
    "host_action_failed": "The host's own command for it, under a grant that was held in advance, has failed.",
    "not_found": "There is no such object for this customer.",
    "object_changed": "It is not as it was when people were shown what would change.",
    "output_blocked": "The vendor's answer contained credential material and was withheld.",
    "scope_violation": "The call does not belong to the connector instance or the customer it names.",
    "secret_refused": "The stored credential could not be opened for this call.",
    "tool_changed": "The server describes the tool differently than it was reviewed, so it was not called.",
    "vendor_address_refused": "The connector's address is not one that may be called.",
    "vendor_fault": "The vendor answered with a server error.",
    "vendor_forbidden": "The vendor refused this operation to the configured credential.",
    "vendor_not_json": "The vendor answered with something other than JSON.",
    "vendor_oversize": "The vendor's answer was larger than allowed.",
    "vendor_redirect": "The vendor answered with a redirect, which is not followed.",
    "vendor_rejected": "The vendor rejected the request.",
    "vendor_shape": "The vendor's answer did not have the expected shape.",
    "vendor_throttled": "The vendor is limiting requests; try again later.",
    "vendor_timeout": "The vendor did not answer in time.",
    "vendor_unauthorized": "The vendor did not accept the configured credential.",
    "vendor_unavailable": "The vendor has failed several times in a row, and is left alone for a while.",
    "vendor_unreachable": "The vendor could not be reached.",
    "withheld": "It was not sent, because this was a dry run.",
}
RETRYABLE = frozenset(
    {"vendor_fault", "vendor_throttled", "vendor_timeout", "vendor_unavailable", "vendor_unreachable"}
)
# Nothing changes until a person changes something: the address, the credential, its rights, or the connector.
PERMANENT = frozenset(MESSAGES) - RETRYABLE - {"arguments_invalid", "not_found"}


class ExecutionError(Exception):
    """`retryable`: may succeed later. `permanent`: an operator has to act first. Neither: ask for something else."""

    def __init__(self, code: str, *, retry_after: int | None = None) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
        self.retry_after = retry_after
        self.rows_dropped = 0
        self.vendor_requests = 0
        # Something that changes was sent, and the vendor did not say that it refused: it may have been done.
        self.uncertain = False
        self.vendor_bytes = 0
        self.exchanges: tuple[Exchange, ...] = ()

    def without_frames(self) -> Self:
        """Free of the frames it came through, whose variables held the call's secrets and the vendor's answer."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE

    @property
    def permanent(self) -> bool:
        return self.code in PERMANENT


class VendorError(ExecutionError):
    pass


class PartlyDone(VendorError):
    """Of several objects: which were changed, of which one nobody knows, and which were not sent. Ids as they came."""

    def __init__(self, changed: Sequence[int], unknown: int, not_sent: Sequence[int]) -> None:
        super().__init__("vendor_fault")
        self.changed, self.unknown, self.not_sent = tuple(changed), unknown, tuple(not_sent)

    def __str__(self) -> str:
        told = {"Changed": self.changed, "Not sent": self.not_sent}
        lists = [f"{word}: {', '.join(map(str, ids))}." for word, ids in told.items() if ids]
        return " ".join([f"What became of {self.unknown} nobody knows.", *lists])


class ArgumentsInvalid(ExecutionError):
    def __init__(self) -> None:
        super().__init__("arguments_invalid")


class ScopeViolation(ExecutionError):
    def __init__(self) -> None:
        super().__init__("scope_violation")


class OutputBlocked(ExecutionError):
    def __init__(self) -> None:
        super().__init__("output_blocked")


class SecretRefused(ExecutionError):
    def __init__(self) -> None:
        super().__init__("secret_refused")


class ObjectChanged(ExecutionError):
    """`what`: our words for what differs."""

    def __init__(self, what: Sequence[str]) -> None:
        super().__init__("object_changed")
        self.what = tuple(what)
