"""Of its own accord the broker asks no vendor that the tenant may not use, and nobody has it asked by hand either."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from connectors import reaching
from connectors.broker import SecretRefused
from connectors.clients import enqueue_due_fetches, fetch_clients, request_clients
from connectors.imported.discovery import discover, enqueue_discoveries, request_discovery
from connectors.models import ConnectorInstance
from connectors.retiring import retire_instance
from connectors.services import check_health, enqueue_due_checks, request_health_check
from connectors.signals import enqueue_due_pulls, pull_signals
from connectors.tasks import check_instance, discover_tools
from connectors.tasks import fetch_clients as fetch_task
from connectors.tasks import pull_signals as pull_task
from tenants.errors import DomainError
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE
from tests.factories import TenantWorld, make_tenant


def _fetch(instance: UUID) -> None:
    fetch_clients(instance, timezone.now())


# What is done of its own accord: the sweep that sends it, and the task.
WORK: dict[str, tuple[Callable[[datetime], int], Callable[[UUID], None]]] = {
    "check": (enqueue_due_checks, check_health),
    "clients": (enqueue_due_fetches, _fetch),
    "signals": (enqueue_due_pulls, pull_signals),
    "discovery": (enqueue_discoveries, discover),
}


def _retired(instance: ConnectorInstance) -> None:
    retire_instance(instance, by=ALICE)


def _ended(_: ConnectorInstance) -> None:
    Entitlement.objects.update(valid_until=timezone.now())


def _switched_on(world: TenantWorld, connector: str) -> ConnectorInstance:
    with world.acting():
        Entitlement.objects.get_or_create(connector=connector, defaults={"included_calls": 1, "calls_per_minute": 1})
        return ConnectorInstance.objects.create(
            connector=connector, slug="it", name="It", state="active", configured_at=timezone.now()
        )


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Connections whose credential was asked for; and nothing reaches a queue."""
    found: list[UUID] = []

    def refuse(instance: ConnectorInstance, *_: Any) -> None:
        found.append(instance.pk)
        raise SecretRefused

    monkeypatch.setattr(reaching, "open_secret", refuse)
    for task in (check_instance, fetch_task, pull_task, discover_tools):
        monkeypatch.setattr(type(task._get_current_object()), "apply_async", lambda *_args, **_kwargs: None)
    return found


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("bar", [None, _retired, _ended])
def test_of_what_was_retired_or_is_not_in_the_plan_no_vendor_is_asked(
    work: str, bar: Callable[[ConnectorInstance], None] | None, opened: list[UUID]
) -> None:
    world = make_tenant()
    instance = _switched_on(world, "mcp" if work == "discovery" else "halopsa")
    sweep, task = WORK[work]
    if bar:
        with world.acting():
            bar(instance)

    with as_role("worker"), acting_for(Context(world.id)):
        swept = sweep(timezone.now())
    with as_role("broker"), acting_for(Context(world.id)):
        task(instance.pk)

    assert (swept, opened) == ((0, []) if bar else (1, [instance.pk]))


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(("bar", "code"), [(_retired, "instance_retired"), (_ended, "connector_not_entitled")])
@pytest.mark.parametrize("ask", [request_health_check, request_clients, request_discovery])
def test_nobody_has_a_vendor_asked_that_may_not_be(
    ask: Callable[..., Any], bar: Callable[[ConnectorInstance], None], code: str
) -> None:
    world = make_tenant()
    instance = _switched_on(world, "mcp")
    with world.acting():
        bar(instance)
    with pytest.raises(DomainError) as refused, world.acting():
        ask(ConnectorInstance.objects.get(), by=ALICE)

    assert refused.value.code == code
