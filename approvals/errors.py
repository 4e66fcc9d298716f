"""Named refusals of approvals."""

from typing import ClassVar

from tenants.errors import Conflict, Invalid, NotAllowed


class OwnRequest(NotAllowed):
    default_code: ClassVar[str] = "own_request"

    def __init__(self) -> None:
        super().__init__("This was asked for by you, or for you. Somebody else has to decide.")


class NotADecider(NotAllowed):
    default_code: ClassVar[str] = "not_a_decider"

    def __init__(self) -> None:
        super().__init__("Only a person who may decide on requests of this customer can do this, in their own browser.")


class NotOpen(Conflict):
    default_code: ClassVar[str] = "request_not_open"

    def __init__(self, state: str) -> None:
        super().__init__(f"This request is {state.lower()}, so nothing more can be decided about it.")


class NotYours(Conflict):
    default_code: ClassVar[str] = "not_own_request"

    def __init__(self) -> None:
        super().__init__("Only who asked for this can withdraw it. You can reject it.")


class PreviewAwaited(Conflict):
    default_code: ClassVar[str] = "preview_awaited"

    def __init__(self) -> None:
        super().__init__("What it would change is being read. Look again in a few seconds, and then decide.")


class VotedAlready(Conflict):
    default_code: ClassVar[str] = "voted_already"

    def __init__(self) -> None:
        super().__init__("You have voted on this request already.")


class DeviceUsed(Conflict):
    default_code: ClassVar[str] = "device_used"

    def __init__(self) -> None:
        super().__init__("Somebody has voted with this second factor already. Each person needs their own.")


class OtherDigest(Conflict):
    default_code: ClassVar[str] = "other_digest"

    def __init__(self) -> None:
        super().__init__("The request is not the one that you were shown. Look at it again.")


class VoteRefused(NotAllowed):
    """The second factor was wrong. The try is counted: who renders this keeps the transaction."""

    default_code: ClassVar[str] = "vote_refused"

    def __init__(self) -> None:
        super().__init__("That second factor was not accepted, so you have not voted. Wait for the next code.")


class ReasonNeeded(Invalid):
    default_code: ClassVar[str] = "reason_needed"

    def __init__(self, what: str = "why you reject it") -> None:
        super().__init__(f"Say {what}.", field="reason")
