"""Sends spans to a collector, if OTEL_EXPORTER_OTLP_ENDPOINT names one. Which sampler, which headers: OTEL_*, too."""

import os

from tenants.process import current_process
from tenants.tracing import use

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = "{} is set, and what sends spans is not installed: `python3 deploy/bootstrap.py install otel`."


class TracingMissing(SystemExit):
    """A process that was told to send spans does not start without being able to."""


def begin_tracing() -> bool:
    """Not before a fork: a thread sends."""
    named = next((name for name in ENDPOINTS if os.environ.get(name)), "")
    if not named:
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise TracingMissing(MISSING.format(named)) from None
    provider = TracerProvider(resource=Resource.create({"service.name": f"msplex-{current_process()}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider.get_tracer("msplex"))
    return True
