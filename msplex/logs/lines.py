"""A record as one line of JSON, for machines that collect them."""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from msplex.logs.saying import failures_of, fields_of, message_of
from tenants.bound import now_bound
from tenants.isolation.context import current

logger = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """Works without Django's settings, too: the parent of a server's workers has none."""

    def __init__(self) -> None:
        super().__init__()
        self._process = os.environ.get("MSPLEX_PROCESS", "command")

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "process": self._process,
            "pid": record.process,
            "message": message_of(record),
        }
        if context := current():
            said["tenant"] = str(context.tenant)
        said |= now_bound()
        said |= fields_of(record)
        if record.exc_info and record.exc_info[1]:
            said["exception"] = failures_of(record.exc_info[1])
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def say_all_in_lines() -> None:
    """What would be written past the log, with its values: failures that nobody caught, warnings, broken records."""
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught("the process ends", sys.__excepthook__)
    threading.excepthook = lambda failed: _say("a thread ends", failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.unraisablehook = lambda failed: _say(
        "a failure could not be raised", failed.exc_type, failed.exc_value, failed.exc_traceback
    )


Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def _uncaught(what: str, otherwise: Hook) -> Hook:
    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            otherwise(kind, error, trace)
        else:
            _say(what, kind, error, trace)

    return hook


def _say(what: str, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None:
        logger.critical(what, exc_info=(kind, error, trace))
