"""What is counted, declared once: everything that rolls up, exports or shows usage goes by this table."""

from dataclasses import dataclass
from enum import StrEnum

from audit.kinds import EventKind


class Meter(StrEnum):
    ACTIVE_ASSETS = "active_assets"
    AI_CALLS = "ai_calls"
    APPROVALS = "approvals"
    CONNECTOR_INSTANCES = "connector_instances"
    CUSTOMERS = "customers"
    EGRESS_BYTES = "egress_bytes"
    PACKS = "packs"
    SEATS = "seats"
    TOOL_CALLS = "tool_calls"
    VENDOR_REQUESTS = "vendor_requests"


class Kind(StrEnum):
    COUNTER = "counter"  # summed over the period
    GAUGE = "gauge"  # its peak in the period


@dataclass(frozen=True, slots=True)
class Definition:
    """`column`: of a UsageEvent, what is summed. `event`: of the audit log, what is counted. A gauge is sampled."""

    label: str
    kind: Kind
    unit: str
    column: str = ""
    event: EventKind | None = None


METERS: dict[Meter, Definition] = {
    Meter.TOOL_CALLS: Definition("Tool calls", Kind.COUNTER, "calls", column="quantity"),
    Meter.VENDOR_REQUESTS: Definition("Requests to vendors", Kind.COUNTER, "requests", column="vendor_requests"),
    Meter.EGRESS_BYTES: Definition("Bytes to and from vendors", Kind.COUNTER, "bytes", column="egress_bytes"),
    Meter.AI_CALLS: Definition("Calls of AI agents", Kind.COUNTER, "calls", column="ai_calls"),
    Meter.APPROVALS: Definition("Approval requests", Kind.COUNTER, "requests", event=EventKind.APPROVAL_REQUESTED),
    Meter.PACKS: Definition("Audit packs made", Kind.COUNTER, "packs", event=EventKind.PACK_FINISHED),
    Meter.ACTIVE_ASSETS: Definition("Active assets", Kind.GAUGE, "assets"),
    Meter.SEATS: Definition("People", Kind.GAUGE, "seats"),
    Meter.CONNECTOR_INSTANCES: Definition("Connections", Kind.GAUGE, "connections"),
    Meter.CUSTOMERS: Definition("Customers", Kind.GAUGE, "customers"),
}
COUNTERS = tuple(meter for meter, each in METERS.items() if each.kind is Kind.COUNTER)
GAUGES = tuple(meter for meter, each in METERS.items() if each.kind is Kind.GAUGE)
