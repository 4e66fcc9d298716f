"""The border of vendor code: what leaves it as a failure has a fixed text and no frames."""

import logging
from collections.abc import Callable
from typing import TypeVar

from connectors.errors import ExecutionError, VendorError

logger = logging.getLogger(__name__)
T = TypeVar("T")


def scrubbed(work: Callable[[], T], *, place: str) -> T:
    """Run vendor code. A bug in it may hold the vendor's answer, or the secret, in its message and its frames."""
    try:
        return work()
    except ExecutionError as error:
        failure = error
    except Exception as error:  # noqa: BLE001
        logger.error("fault in %s: %s at %s", place, type(error).__name__, _line(error))  # noqa: TRY400
        failure = VendorError("connector_fault")
    raise failure.without_frames()


def _line(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else "?"
