"""Prometheus's text format, version 0.0.4."""

from collections.abc import Iterable, Iterator

from msplex.metrics.readings import readings
from tenants.counting import METRICS, Labels, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for metric in METRICS:
        yield from _family(metric.name, metric.help, metric.kind, metric.samples())
    for gauge in readings():
        yield from _family(gauge.name, gauge.help, "gauge", (("", *value) for value in gauge.values))


def _family(name: str, what: str, kind: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, number in samples:
        yield f"{name}{suffix}{_braced(labels)} {_text(number)}"


def _braced(labels: Labels) -> str:
    """Values are words of ours, which need no escapes."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


def _text(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
