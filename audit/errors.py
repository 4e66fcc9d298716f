from tenants.errors import Unavailable


class AuditUnavailable(Unavailable):
    """The record cannot be written, so the thing itself does not happen."""

    default_code = "audit_unavailable"

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written, so nothing was done. Try again in a moment.")
