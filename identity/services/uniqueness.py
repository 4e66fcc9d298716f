"""Names that are taken, found where two people choose the same at once, and where the other one is out of sight."""

import contextlib
from collections.abc import Iterator

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from tenants.errors import Conflict


@contextlib.contextmanager
def conflict_if_taken(message: str, *, code: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise Conflict(message, code=code) from None
        raise
