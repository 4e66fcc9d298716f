"""What this process tells of its work, where the extra that tells it is installed."""

import contextlib

import pytest

from tenants import tracing

WITHOUT = "the extra `otel` is not installed: python3 deploy/bootstrap.py install otel"


@contextlib.contextmanager
def told():
    """Gives a function that returns the spans that have ended. Skips the test, saying why, without the extra."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=WITHOUT)
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    kept, provider = InMemorySpanExporter(), sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracing.use(provider.get_tracer("tests"))
    try:
        yield kept.get_finished_spans
    finally:
        tracing.use(None)
