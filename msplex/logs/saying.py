"""What of a log record may be said: words that stand in code, ids and numbers; nothing that anybody sent or typed.

Our own lines are trusted with their arguments, and a test walks them all; but an exception among these is its type.
Of a library's line the sentence is kept and the arguments are not, but for numbers and ids; a sentence that the library
has put together itself cannot be told from its arguments, so only where it stands is said.
"""

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

OURS = frozenset({"tenants", "audit", "identity", "billing", "connectors", "approvals", "msplex"})
# Loggers that put their sentences together themselves, out of process ids and our own addresses.
TRUSTED = frozenset({"_granian", "_granian.serve", "celery.beat", "celery.apps.worker"})
# Arguments by name that are ids and names of our code.
NAMED = frozenset({"name", "id", "runtime", "description", "hostname"})
# What `extra` may bring; anything else is dropped.
FIELDS = frozenset({"route", "method", "status", "ms", "status_code"})
HIDDEN = "…"
MOST_EXCEPTIONS, MOST_FRAMES, LONGEST = 8, 40, 2000
_WORD = re.compile(r"[\w.:@/-]{1,100}", re.ASCII)
_WARNING = re.compile(r"^\S+:\d+: \w+")  # where, and of which kind; its text is not ours
_PLACE = re.compile(r".*(?:site-packages/|lib/python[\d.]+/)")


def message_of(record: logging.LogRecord) -> str:
    template, arguments = record.msg, record.args
    if record.name.partition(".")[0] in OURS or record.name in TRUSTED:
        return _filled(str(template), _shown(arguments))
    if record.name == "py.warnings":
        found = _WARNING.match(place_of(str(arguments[0] if arguments and isinstance(arguments, tuple) else template)))
        return found.group() if found else HIDDEN
    if isinstance(template, str) and arguments:
        return _filled(template, _masked(arguments))
    return f"({record.module}:{record.lineno})"


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """Those of `extra` that are declared, where they are numbers or words."""
    for name in FIELDS & record.__dict__.keys():
        value = record.__dict__[name]
        if isinstance(value, int | float) or (isinstance(value, str) and _WORD.fullmatch(value)):
            yield name, value


def failures_of(error: BaseException) -> list[dict[str, Any]]:
    """Each exception of the chain, the last one first: its type and where it passed; never its text."""
    return [_failure(each) for each in islice(_chain(error, set()), MOST_EXCEPTIONS)]


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner, seen)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _failure(error: BaseException) -> dict[str, Any]:
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{place_of(frame.f_code.co_filename)}:{line}" for frame, line in frames]
    return {"type": kind_of(error), "frames": places[-MOST_FRAMES:]}


def kind_of(error: BaseException) -> str:
    """With the number or the code that a failure of its kind has."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    number = getattr(error, "sqlstate", None) or (error.errno if isinstance(error, OSError) else None)
    if type(error).__module__.partition(".")[0] in OURS:
        number = getattr(error, "code", None)
    return f"{name}[{number}]" if isinstance(number, int) or (number and _WORD.fullmatch(str(number))) else name


def place_of(path: str) -> str:
    """A file by its name below where packages are, so that no line says where the installation is."""
    short = _PLACE.sub("", path, count=1)
    return short if short != path else short.removeprefix(_ROOT)


_ROOT = __file__.removesuffix("msplex/logs/saying.py")


def _shown(arguments: Any) -> Any:
    if isinstance(arguments, Mapping):
        return {name: _reduced(value) for name, value in arguments.items()}
    return tuple(map(_reduced, arguments or ()))


def _reduced(value: Any) -> Any:
    return kind_of(value) if isinstance(value, BaseException) else value


def _masked(arguments: Any) -> Any:
    if isinstance(arguments, Mapping):
        return {name: value if name in NAMED else _harmless(value) for name, value in arguments.items()}
    return tuple(map(_harmless, arguments))


def _harmless(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | UUID) else HIDDEN


def _filled(template: str, arguments: Any) -> str:
    try:
        return (template % arguments if arguments else template)[:LONGEST]
    except (TypeError, ValueError, KeyError):  # such as a number that is hidden
        return template[:LONGEST]
