"""Trying an imported tool before anybody is given it: for one customer, by the broker, on the record, at nobody's cost.

What came of it is kept for a day, as counts. A tool is exposed on a dry run of that time that worked, with the
declaration as it is, or when a person says expressly that it was not tried.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from jsonschema import Draft202012Validator

from audit.actors import Actor, CallRef, system
from audit.kinds import EventKind
from audit.services import record
from connectors.broker import Purpose
from connectors.catalogue import find
from connectors.contract import Tool
from connectors.errors import ExecutionError
from connectors.exchanges import as_facts
from connectors.imported.definitions import canonical
from connectors.imported.discovery import about
from connectors.imported.making import made_or_invalid
from connectors.imported.rehearsing import Report, rehearse
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, CustomerMapping, DryRun, ImportedTool
from connectors.reaching import own_of, reached
from connectors.scrub import scrubbed
from connectors.selectors import askable, lifecycle_of, mapping_for
from connectors.tasks import run_dry
from tenants.errors import Conflict, DomainError, Invalid
from tenants.models import Customer

RUNNER = system("dry run of a tool")
KEPT = timedelta(days=1)
PATIENCE = timedelta(minutes=2)  # what was not begun by then is not begun, and what is not done will not be
State = DryRun.State


@transaction.atomic
def request_dry_run(tool: ImportedTool, *, customer: Customer, arguments: Mapping[str, Any], by: Actor) -> DryRun:
    """The broker runs it. Nothing is sent that changes something."""
    lifecycle_of(tool.instance, timezone.now()).require(Action.CHECK)
    if not tool.pinned_digest:
        raise Conflict("Declare first how the tool is held to one customer.", code="tool_not_classified")
    if tool.seen_digest != tool.pinned_digest:
        raise Conflict("The tool is described differently now: review it first.", code="tool_changed")
    if _of(tool).filter(state__in=_OPEN, asked_at__gt=timezone.now() - PATIENCE).exists():
        raise Conflict("A dry run of this tool is under way.", code="dry_run_under_way")
    if mapping_for(tool.instance, customer) is None:
        raise Invalid("This customer is not mapped to a client of the connection.", field="customer")
    _check_arguments(made_or_invalid(tool), arguments)
    asked = {"arguments": dict(arguments), "asked_by": by.label[:200], "terms_digest": terms_digest(tool)}
    run = DryRun.objects.create(tool=tool, customer=customer, **asked)
    body = {"arguments": run.arguments, "definition": tool.pinned_digest}
    record(EventKind.TOOL_DRY_RUN_ASKED, actor=by, customer_id=customer.id, **about(tool), body=body)
    run_dry.delay_on_commit(str(run.id))
    return run


def carry_out(run_id: UUID) -> None:
    """In the broker process: once, and not inside a transaction."""
    run = _claimed(run_id)
    if run is None:
        return
    requests: list[dict[str, Any]] = []
    try:
        report = _report(run, requests)
    except ExecutionError as error:
        report = Report(code=error.code)
    except DomainError as error:
        report = Report(code=error.code)
    _finish(run, report, requests)


def terms_digest(tool: ImportedTool) -> str:
    """Of all that a dry run tries, with what the tool hangs on. Another declaration is another tool."""
    parent = ImportedTool.objects.filter(instance=tool.instance_id, name=tool.declaration.get("parent") or "").first()
    return hashlib.sha256(canonical({"tried": [_terms(each) for each in (tool, parent) if each]})).hexdigest()


def _terms(tool: ImportedTool) -> dict[str, Any]:
    return {"declaration": tool.declaration, "definition": tool.pinned_digest, "risk": tool.risk}


def worked(tool: ImportedTool) -> bool:
    """As it is declared now, within the last day."""
    since = timezone.now() - KEPT
    return _of(tool).filter(state=State.SUCCEEDED, terms_digest=terms_digest(tool), finished_at__gt=since).exists()


def last_run(tool: ImportedTool) -> DryRun | None:
    return runs_of(tool).first()


def runs_of(tool: ImportedTool) -> QuerySet[DryRun]:
    """Newest first."""
    return _of(tool).select_related("customer").order_by("-id")


@transaction.atomic
def forget_old_runs(now: datetime) -> None:
    DryRun.objects.filter(asked_at__lt=now - KEPT).delete()


_OPEN = (State.WAITING, State.RUNNING)


def _of(tool: ImportedTool) -> QuerySet[DryRun]:
    return DryRun.objects.filter(tool=tool.pk)


def _check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    errors = sorted(
        Draft202012Validator(tool.input_schema).iter_errors(dict(arguments)), key=lambda each: str(each.path)
    )
    if errors:
        raise Invalid(f"The arguments do not fit: {errors[0].message[:200]}", field="arguments")


@transaction.atomic
def _claimed(run_id: UUID) -> DryRun | None:
    fresh = DryRun.objects.filter(id=run_id, state=State.WAITING, asked_at__gt=timezone.now() - PATIENCE)
    if not fresh.update(state=State.RUNNING):
        return None
    return DryRun.objects.select_related("tool__instance", "customer").get(id=run_id)


@transaction.atomic
def _needed(run: DryRun) -> tuple[ConnectorInstance, CustomerMapping, Tool]:
    """Asked again: between the request and now the plan, the mapping or the declaration may have become another."""
    tool = run.tool
    instance = askable(timezone.now()).filter(id=tool.instance_id).first()
    mapping = mapping_for(tool.instance, run.customer)
    if instance is None or mapping is None or terms_digest(tool) != run.terms_digest:
        raise Conflict("It is not as it was when this was asked for.", code="dry_run_overtaken")
    return instance, mapping, made_or_invalid(tool)


def _report(run: DryRun, requests: list[dict[str, Any]]) -> Report:
    instance, mapping, tool = _needed(run)
    entry = find(instance.connector)
    if entry is None:
        raise LookupError(instance.connector)
    place = CallRef(None, instance.id, tool.name)
    purpose = Purpose(RUNNER, f"{instance.connector}.{tool.name}.dry_run", place, run.customer_id)
    own = own_of(entry, mapping, instance)
    with reached(instance, entry, purpose, own=own, withholds=True) as connection:
        try:
            return scrubbed(
                lambda: rehearse(tool, run.arguments, mapping.external_id, connection), place=f"{entry.key}.{tool.name}"
            )
        finally:
            requests += as_facts(connection.http.exchanges)


@transaction.atomic
def _finish(run: DryRun, report: Report, requests: list[dict[str, Any]]) -> None:
    state = State.SUCCEEDED if report.worked else State.FAILED
    result = report.as_json() | {"requests": requests}
    changed = {"state": state, "code": report.code, "result": result, "finished_at": timezone.now()}
    if not DryRun.objects.filter(id=run.id, state=State.RUNNING).update(**changed):
        return
    told = {"code": report.code, "kept": report.kept, "problems": report.problems, "rows": report.rows}
    record(
        EventKind.TOOL_DRY_RUN, actor=RUNNER, customer_id=run.customer_id, **about(run.tool),
        result="ok" if report.worked else "failed", body=told | {"requests": requests},
    )  # fmt: skip
