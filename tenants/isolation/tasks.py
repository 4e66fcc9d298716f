"""Celery tasks that act for a tenant. The message names the tenant in a signed header, never in its arguments.

Whoever can write to Redis can therefore not choose a tenant, a scope or a principal, nor other arguments for them.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from celery import Task
from django.conf import settings
from django.db import close_old_connections, transaction

from tenants.bound import bound
from tenants.isolation.context import Context, acting_for, current
from tenants.metrics import TASK_SECONDS, TASK_WAIT_SECONDS, TASKS
from tenants.process import Process, current_process
from tenants.tracing import span, traceparent

LABEL = b"msplex/task/v1"
TRACE = "traceparent"  # a header of the message, as W3C Trace Context has it


class TaskRefused(Exception):
    """The message is not one of ours, or this process may not run it."""


def _mac(name: str, args: Any, kwargs: Any, context: list[Any]) -> str:
    payload = json.dumps(
        [name, list(args or ()), kwargs or {}, context],
        sort_keys=True,
        separators=(",", ":"),
    )
    key = hmac.new(settings.CONTEXT_KEY, LABEL, hashlib.sha256).digest()
    return hmac.new(key, payload.encode(), hashlib.sha256).hexdigest()


def signed_context(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    customers = None if context.customers is None else [str(customer) for customer in context.customers]
    parts = [
        str(context.tenant),
        customers,
        context.principal and str(context.principal),
    ]
    return {"context": parts, "mac": _mac(name, args, kwargs, parts)}


def read_context(name: str, args: Any, kwargs: Any, header: Any) -> Context:
    if not isinstance(header, dict) or not isinstance(header.get("context"), list):
        raise TaskRefused(f"{name}: the message carries no context")
    parts = header["context"]
    if not hmac.compare_digest(_mac(name, args, kwargs, parts).encode(), str(header.get("mac")).encode()):
        raise TaskRefused(f"{name}: the message's context is not signed by this deployment")
    tenant, customers, principal = parts
    return Context(
        UUID(tenant),
        None if customers is None else tuple(map(UUID, customers)),
        UUID(principal) if principal else None,
    )


def _trace() -> dict[str, str]:
    """Of the span around, as a header; nothing where nothing is traced."""
    trace = traceparent()
    return {TRACE: trace} if trace else {}


class PlainTask(Task):  # type: ignore[misc]
    """A task without a tenant: a sweep that beat starts. `process` names the one process that may run it."""

    abstract = True
    process: ClassVar[Process]

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        options.setdefault("queue", self.process.value)
        options["headers"] = {**_trace(), **(options.get("headers") or {}), "sent": time.time()}
        return super().apply_async(args, kwargs, **options)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        queue, began = self.process.value, time.time()
        sent = self.request.get("sent")
        if isinstance(sent, int | float):
            TASK_WAIT_SECONDS.observe(max(began - sent, 0.0), queue)
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        finally:
            TASKS.add(queue, outcome)
            TASK_SECONDS.observe(time.time() - began, queue)

    def _traced(self) -> Any:
        """Under the span of whoever has sent it. That is not signed: who writes to the queue can mix up traces."""
        parent = self.request.get(TRACE)
        return span("task", "CONSUMER", parent=parent if isinstance(parent, str) else "", task=self.name)

    def check_process(self) -> None:
        if current_process() is not self.process:
            raise TaskRefused(f"{self.name} runs in the {self.process} process, not in {current_process()}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.check_process()
        close_old_connections()
        try:
            with bound(task=self.name), self._counted(), self._traced():
                return super().__call__(*args, **kwargs)
        finally:
            close_old_connections()  # back to the pool, and cleaned, before the next tenant's task takes it


class TenantTask(PlainTask):
    """Enters the context of its message, without a transaction: the task opens its own, short ones."""

    abstract = True

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        headers: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        headers = dict(headers or {})
        if "msplex" not in headers:
            headers["msplex"] = signed_context(self.name, args, kwargs)
        return super().apply_async(args, kwargs, headers=headers, **options)

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Send when the open transaction has committed, for the context of now (on_commit runs in the outermost).

        Without a queue the failure is logged and the change stays: a sweep has to find what was not sent.
        """
        headers = {**_trace(), "msplex": signed_context(self.name, args, kwargs)}

        def send() -> None:
            self.apply_async(args, kwargs, headers=headers)

        transaction.on_commit(send, robust=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with acting_for(read_context(self.name, args, kwargs, self.request.get("msplex"))):
            return super().__call__(*args, **kwargs)
