"""What the current work is known by in the log: opaque ids, set where the work begins and gone where it ends."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

_bound: ContextVar[Mapping[str, str]] = ContextVar("msplex_bound", default={})  # noqa: B039 - it is never changed


def now_bound() -> Mapping[str, str]:
    return _bound.get()


@contextlib.contextmanager
def bound(**ids: object) -> Iterator[None]:
    """`call`, `request`, `task`: ids, or names that stand in our code; never what somebody typed or sent."""
    mark = _bound.set({**_bound.get(), **{name: str(value) for name, value in ids.items()}})
    try:
        yield
    finally:
        _bound.reset(mark)
