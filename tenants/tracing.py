"""Spans of OpenTelemetry, where the deployment wants them: ids, codes and times, and nothing that was sent or answered.

Without them `span` costs well under a microsecond, and nothing of OpenTelemetry is loaded. The provider is our own and
not the global one: libraries would add spans to that, whose attributes are not ours to know.
"""

import contextlib
from datetime import datetime
from types import TracebackType
from typing import Any, Self

# What a span may say of itself. An id is opaque; a name stands in our code; nobody typed or sent any of it.
ATTRIBUTES = frozenset({
    "call", "code", "connector", "gate", "method", "outcome", "request", "route", "state", "status", "task", "tenant",
})  # fmt: skip
PREFIX = "msplex."
SECOND = 1_000_000_000
_tracer: Any = None


def use(tracer: Any) -> None:
    """For the rest of this process; None ends it."""
    global _tracer  # noqa: PLW0603 - one for a process, as a logger is
    _tracer = tracer


class Span:
    """As a context manager. `parent`: a traceparent that came with a message; without it, what is around it."""

    def __init__(self, name: str, kind: str, parent: str, attributes: dict[str, object]) -> None:
        self._name, self._kind, self._parent, self._attributes = name, kind, parent, attributes

    def __enter__(self) -> Self:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra

        self._around = _tracer.start_as_current_span(
            self._name,
            context=_extracted(self._parent),
            kind=SpanKind[self._kind],
            attributes=_allowed(self._attributes),
            record_exception=False,  # its text, and its frames with it, would be told
            set_status_on_exception=False,
        )
        self._span = self._around.__enter__()
        return self

    def set(self, **attributes: object) -> None:
        self._span.set_attributes(_allowed(attributes))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415

            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._around.__exit__(kind, error, trace)


class _Nothing:
    def __enter__(self) -> Self:
        return self

    def set(self, **_: object) -> None:
        """Nothing listens."""

    def __exit__(self, *_: object) -> None:
        """Nothing ends."""


_NOTHING = _Nothing()


def span(name: str, kind: str = "INTERNAL", *, parent: str = "", **attributes: object) -> Span | _Nothing:
    return _NOTHING if _tracer is None else Span(name, kind, parent, attributes)


def span_between(name: str, start: datetime, end: datetime, **attributes: object) -> None:
    """What is over already, within what is around."""
    if _tracer is not None:
        told = _tracer.start_span(name, start_time=_nanoseconds(start), attributes=_allowed(attributes))
        told.end(end_time=_nanoseconds(end))


def traceparent() -> str:
    """Of the span around, for a message (W3C Trace Context); empty without one."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _extracted(parent: str) -> Any:
    """None, which is what is around, for a text that is no traceparent. A tracestate is not read: it says anything."""
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    with contextlib.suppress(ValueError):
        return TraceContextTextMapPropagator().extract({"traceparent": parent})
    return None


def _allowed(attributes: dict[str, object]) -> dict[str, str | int]:
    known = ATTRIBUTES & attributes.keys()
    return {PREFIX + name: _plain(attributes[name]) for name in known if attributes[name] not in {None, ""}}


def _plain(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * SECOND)
