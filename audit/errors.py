from tenants.errors import NotFound, Unavailable


class AuditUnavailable(Unavailable):
    """The record cannot be written, so the thing itself does not happen."""

    default_code = "audit_unavailable"

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written, so nothing was done. Try again in a moment.")


class NotSealed(NotFound):
    """It is recorded, and will be in the tree in a moment."""

    default_code = "not_sealed"

    def __init__(self) -> None:
        super().__init__("That is in no signed checkpoint yet. Try again in a moment.")


class NoSuchTree(NotFound):
    default_code = "no_such_tree"

    def __init__(self) -> None:
        super().__init__("There is no such tree: nothing was sealed in it.")


class PdfUnavailable(Unavailable):
    """Pango is not on this machine; the pack waits until it is."""

    default_code = "pdf_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "This machine cannot make PDF files: install Pango and a font (Debian: apt-get install libpango-1.0-0"
            " libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core; macOS: brew install pango)."
        )
