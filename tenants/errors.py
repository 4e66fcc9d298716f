"""Failures that a caller can act on. Each door renders them once; nothing below a door does."""

from typing import ClassVar


class DomainError(Exception):
    """A refusal with a stable `code`, an HTTP `status` and a sentence for people."""

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code


class Invalid(DomainError):
    """The input is wrong: `field` names the part to mend, or None for the whole."""

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field


class NotAllowed(DomainError):
    status = 403
    default_code = "not_allowed"


class NotFound(DomainError):
    """Unknown, or of another tenant, or of a customer out of scope: the caller cannot tell which."""

    status = 404
    default_code = "not_found"

    def __init__(self, message: str = "Not found.", *, code: str | None = None) -> None:
        super().__init__(message, code=code)


class Conflict(DomainError):
    status = 409
    default_code = "conflict"


class Unavailable(DomainError):
    """Something needed does not answer. `permanent`: trying again will not help until a person acts."""

    status = 503
    default_code = "unavailable"

    def __init__(self, message: str, *, permanent: bool = False, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.permanent = permanent
