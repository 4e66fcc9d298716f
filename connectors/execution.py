"""Runs one call at the vendor and gives back a narrowed, typed answer. It knows nothing of queues, quotas or money.

The customer comes from the mapping, the arguments from the recorded call. Whatever a tool's own code did, its rows are
narrowed here, built anew from declared fields and searched for the credential before they leave.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection as database
from jsonschema import Draft202012Validator

from audit.evidence import Intent
from connectors.broker import Begun, Purpose
from connectors.broker import begin as begin_opening
from connectors.canary import leaks
from connectors.catalogue import find
from connectors.contract import UNTRUSTED, Connection, Connector, Fetched, Narrowing, Parent, Tool
from connectors.effects import differences, digest_of, not_seen, seen
from connectors.errors import (
    ArgumentsInvalid,
    ExecutionError,
    ObjectChanged,
    OutputBlocked,
    ScopeViolation,
    VendorError,
)
from connectors.exchanges import Exchange
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from connectors.narrowing import Owner, Owning, Parents, narrow, pick
from connectors.reaching import own_of, reached
from connectors.redaction import redact
from connectors.scrub import scrubbed
from connectors.shapes import Shape, at
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed

# Of the rows of one answer: a model's context holds little more, and the caller is told what is missing.
MOST_BYTES = 256 * 1024
Shown = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """`rows_dropped` counts what was withheld: for operators, never for the caller.

    `rows_foreign`, of those: what was of others although the vendor was asked for one customer.
    """

    structured: dict[str, Any]
    rows: list[dict[str, Any]]
    rows_dropped: int
    rows_foreign: int
    vendor_requests: int
    vendor_bytes: int
    exchanges: tuple[Exchange, ...] = ()

    @property
    def rows_returned(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Job:
    """A call, and what it is run with. `tool`: what the decision has found under the call's name; without it, what the
    release has. `intent`: the record that it was let through."""

    call: ToolCall
    instance: ConnectorInstance
    mapping: CustomerMapping
    tool: Tool | None = None
    intent: Intent | None = None


def begin(db: Signed, job: Job) -> Begun | None:
    """Puts the opening of the secret on record, in the transaction that claims the call, so that it is one wait for the
    disk. None: it cannot be run, and `execute` will say why. AuditUnavailable when it cannot be written."""
    try:
        connector, _ = _checked(job)
    except ExecutionError:
        return None
    return begin_opening(db, job.instance, _purpose(job), own_of(connector, job.mapping, job.instance))


def execute(job: Job, shown: Shown = (), begun: Begun | None = None) -> ExecutionResult:
    """`shown`: the objects as people were shown them. What is otherwise by now is not changed: ObjectChanged.

    `begun`: what `begin` has said.

    Raises ExecutionError, with fixed texts, or Unavailable when the opening of the secret cannot be recorded.

    Must not run inside a transaction: a vendor may be slow.
    """
    if database.in_atomic_block:
        message = "A vendor is never called while a transaction is open."
        raise RuntimeError(message)
    connector, tool = _checked(job)
    call, mapping = job.call, job.mapping
    own = own_of(connector, mapping, job.instance)
    with reached(job.instance, connector, replace(_purpose(job), begun=begun), own=own) as connection:
        http = connection.http
        try:
            return scrubbed(
                lambda: _run_unchanged(tool, call, mapping, connection, shown), place=f"{connector.key}.{tool.name}"
            )
        except ExecutionError as error:
            error.vendor_requests, error.exchanges = http.requests, tuple(http.exchanges)
            error.vendor_bytes = http.bytes
            error.uncertain = http.may_have_changed
            raise


def _checked(job: Job) -> tuple[Connector, Tool]:
    call, instance, mapping = job.call, job.instance, job.mapping
    tenants = {call.tenant_id, instance.tenant_id, mapping.tenant_id, acting_tenant()}
    same = call.instance_id == instance.id == mapping.instance_id and call.customer_id == mapping.customer_id
    connector = find(instance.connector)
    tool = job.tool or (connector.tool(call.tool) if connector else None)
    if len(tenants) != 1 or not same or connector is None or call.connector != connector.key:
        raise ScopeViolation
    if tool is None or tool.name != call.tool:
        raise ScopeViolation
    if not Draft202012Validator(tool.input_schema).is_valid(call.arguments):
        raise ArgumentsInvalid
    return connector, tool


def _purpose(job: Job) -> Purpose:
    call = job.call
    return Purpose(call.actor(), f"{call.connector}.{call.tool}", call.ref, call.customer_id, job.intent)


def _run_unchanged(
    tool: Tool, call: ToolCall, mapping: CustomerMapping, connection: Connection, shown: Shown
) -> ExecutionResult:
    """Read again as it was read for people, directly before it is changed, and nothing is done if it differs."""
    if shown:
        now = _seen_now(tool, call, mapping, connection)
        if digest_of(now) != digest_of(shown):
            raise ObjectChanged(differences(shown, now))
    return _run(tool, call.arguments, mapping, connection)


def _seen_now(tool: Tool, call: ToolCall, mapping: CustomerMapping, connection: Connection) -> list[dict[str, Any]]:
    preview = tool.preview
    if preview is None:
        raise ObjectChanged(())
    found = []
    for asked in preview.reads(call.arguments):
        try:
            said = _run(preview.read, asked, mapping, connection)
        except VendorError as error:
            if error.code != "not_found":
                raise
            found.append(not_seen(preview, asked))
        else:
            found.append(seen(preview, call.arguments, said.structured[preview.read.output.key]))
    return found


def _run(tool: Tool, arguments: Mapping[str, Any], mapping: CustomerMapping, connection: Connection) -> ExecutionResult:
    customer = Owner(mapping.external_id)
    try:
        parents = parents_of(tool.guard, arguments, connection, customer) if tool.guard else None
        fetched = tool.run(replace(connection, parents=parents), arguments, mapping.external_id)
    except VendorError as error:
        raise _as_seen_from(tool, error) from None
    owner = parents if parents and tool.narrowing is Narrowing.PARENT else customer
    said = answer(tool, fetched, owner)
    if leaks(said.structured, connection.secrets):
        raise OutputBlocked
    http = connection.http
    exchanges = tuple(http.exchanges)
    return ExecutionResult(said.structured, said.rows, said.dropped, said.foreign, http.requests, http.bytes, exchanges)


def parents_of(guard: Parent, arguments: Mapping[str, Any], connection: Connection, customer: Owner) -> Parents:
    """What the tool may touch. Somebody else's is not found, like what does not exist."""
    rows = guard.read(connection, arguments, customer.external_id).rows
    owned = narrow(rows, owner=customer, shape=Shape(guard.owner, ())).rows
    parents = Parents.of(at(row, guard.id) for row in owned)
    if not parents.ids:
        raise VendorError("not_found")
    return parents


def _as_seen_from(tool: Tool, error: VendorError) -> VendorError:
    """Some vendors forbid what exists and do not find what does not: read by id, the two must look alike."""
    by_id = tool.guard is not None or (tool.narrowing is Narrowing.OWNER_ONLY and not tool.output.many)
    return VendorError("not_found") if by_id and error.code == "vendor_forbidden" else error


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller gets, its rows, how many things were withheld, and how many of those were of others."""

    structured: dict[str, Any]
    rows: list[dict[str, Any]]
    dropped: int
    foreign: int


def answer(tool: Tool, fetched: Fetched, owner: Owning) -> Said:
    shape = tool.output.shape
    narrowed = narrow(fetched.rows, owner=owner, shape=shape)
    picked = [pick(redact(row, tool.redactions), owner=owner, shape=shape) for row in narrowed.rows]
    rows = [row for row in picked if row is not None]
    misshapen = len(picked) - len(rows)
    dropped = fetched.dropped + narrowed.dropped + misshapen
    unreadable = fetched.unreadable + narrowed.unreadable + misshapen
    foreign = fetched.foreign + narrowed.foreign
    if not tool.output.many:
        return Said(_single(tool, rows, unreadable), rows, dropped, foreign)
    if not rows and unreadable and unreadable == dropped:
        raise _counted(VendorError("vendor_shape"), dropped)  # not an empty list: nothing could be read
    fitting = _fitting(rows)
    listed = {
        "notice": UNTRUSTED,
        tool.output.key: fitting,
        "count": len(fitting),
        "has_more": fetched.has_more,
        "truncated": fetched.truncated or len(fitting) < len(rows),
    }
    return Said(listed, fitting, dropped, foreign)


def _fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as an answer may hold, and always one."""
    left = MOST_BYTES
    for number, row in enumerate(rows):
        left -= len(json.dumps(row, ensure_ascii=False).encode())
        if left < 0:
            return rows[: max(1, number)]
    return rows


def _single(tool: Tool, rows: list[dict[str, Any]], unreadable: int) -> dict[str, Any]:
    if len(rows) != 1:
        # Of another customer: not counted, or the count would tell that it exists. Of nobody: a fault of the connector.
        raise _counted(VendorError("not_found"), unreadable)
    return {"notice": UNTRUSTED, tool.output.key: rows[0]}


def _counted(error: VendorError, dropped: int) -> VendorError:
    error.rows_dropped = dropped
    return error
