"""Each sweep asks which tenants it has to come to, and passes over none with work of any kind of its own.

A tenant with a row in every table, all of it in order, is left alone; then one thing becomes due.
"""

import re
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from msplex.celery import app
from tenants import sweeping
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.tenants.furnishing import Furnished, as_administrator, furnish

# Nothing is due: what is furnished is sent, seen, read, checked and fetched by now.
QUIET = (
    "UPDATE audit_pack SET state = 'ready'",
    "UPDATE identity_mail SET state = 'sent', finished_at = now()",
    "UPDATE audit_alert SET told_at = now()",
    "UPDATE approvals_notificationcursor SET next = 10",
    "UPDATE approvals_grantuse SET received_at = now()",
    "DELETE FROM tenants_entitlement",
    (
        "INSERT INTO tenants_entitlement (tenant_id, id, connector, included_calls, overage_allowed, calls_per_minute)"
        " VALUES (%(tenant)s, gen_random_uuid(), 'halopsa', 10, false, 60)"
    ),
    (
        "UPDATE connectors_connectorinstance SET state = 'active', configured_at = now(), health = 'healthy',"
        " health_checked_at = now(), health_ok_at = now()"
    ),
    "UPDATE connectors_owncredential SET health = 'healthy', health_checked_at = now(), health_ok_at = now()",
    "UPDATE connectors_clientlist SET fetched_at = now()",
    "UPDATE connectors_signalpull SET pulled_at = now()",
    "UPDATE billing_quotacounter SET connector = 'halopsa'",
    "UPDATE billing_exportfile SET state = 'ready', ready_at = now()",
)
LONG_AGO = "now() - interval '100 days'"
OVER = "expires_at = now() - interval '1 second'"
OLD_ID = "id = ('01900000' || substr(id::text, 9))::uuid"
APPROVED = "UPDATE approvals_approvalrequest SET state = 'approved', execute_by = now() + interval '1 hour'"
LAST_MONTH = (
    "UPDATE tenants_customer SET created_at = now() - interval '40 days';"
    " UPDATE audit_epoch SET opened_at = now() - interval '40 days'"
)
INSTANCE, OWN = "UPDATE connectors_connectorinstance SET ", "UPDATE connectors_owncredential SET "
LISTED, PULL = "UPDATE connectors_clientlist SET ", "UPDATE connectors_signalpull SET "
PLANNED = "UPDATE tenants_entitlement SET connector ="
TOLD = "UPDATE approvals_notification SET severity = 'warning', "
COUNTED, SHARE = "UPDATE billing_quotacounter SET ", "UPDATE tenants_customer SET monthly_calls = 10;"
FILE = "UPDATE billing_exportfile SET"

WORK = {
    "approvals.expire_requests": (
        "UPDATE approvals_approvalrequest SET decide_by = now() - interval '1 second'",
        "UPDATE approvals_approvalrequest SET state = 'approved', approved_at = now(), execute_by = now()",
        f"{APPROVED}, approved_at = now() - interval '1 minute', terms = '{{\"uses\": 1}}'",
        "UPDATE approvals_heldgrant SET not_before = now() - interval '2 s', not_after = now() - interval '1 s'",
        "UPDATE approvals_grantuse SET received_at = now() - interval '1 minute'",
    ),
    "approvals.follow_log": (
        "UPDATE approvals_notificationcursor SET next = 1",
        "DELETE FROM approvals_notificationcursor",
        "UPDATE audit_leaf SET epoch = 1",
    ),
    "approvals.sweep_notifications": (
        "UPDATE approvals_delivery SET next_try_at = now()",
        f"{TOLD} shared = true, first_at = now() - interval '31 minutes'",
        f"{TOLD} kind = 'approval_needed', first_at = now() - interval '31 minutes'",
        (
            f"{TOLD} shared = true, first_at = now() - interval '6 minutes';"
            " UPDATE approvals_notificationchannels SET escalate_minutes = 5"
        ),
        f"{TOLD} shared = true, first_at = now() - interval '31 minutes'; DELETE FROM approvals_notificationchannels",
    ),
    "audit.cut_packs": (
        "UPDATE audit_pack SET state = 'collecting', leased_until = NULL",
        "UPDATE audit_pack SET state = 'signing', leased_until = now() - interval '1 second'",
        f"UPDATE audit_checkpointsignature SET size = 9; {LAST_MONTH}",
    ),
    "audit.sweep_alerts": (
        "UPDATE audit_alert SET state = 'acknowledged'",
        f"UPDATE audit_alerthit SET {OLD_ID}",
    ),
    "billing.sweep_files": (
        f"{FILE} state = 'queued', leased_until = NULL",
        f"{FILE} state = 'making', leased_until = now() - interval '1 second'",
        f"{FILE} ready_at = now() - interval '8 days'",
        f"{FILE} state = 'failed', created_at = now() - interval '8 days'",
    ),
    "billing.warn_of_quota": (
        f"{COUNTED} used = 8",
        f"{COUNTED} used = 10, warned = 80",
        f"{SHARE} UPDATE billing_customercounter SET used = 9",
        f"{SHARE} UPDATE billing_customercounter SET used = 11, warned = 80",
    ),
    "connectors.sweep_health": (
        f"{INSTANCE} health_checked_at = now() - interval '5 minutes'",
        f"{INSTANCE} state = 'draft', health_checked_at = NULL",
        f"{INSTANCE} check_asked_at = now() - interval '50 s', health_checked_at = now() - interval '60 s'",
        f"{INSTANCE} state = 'inactive', check_asked_at = now() - interval '50 s', health_checked_at = NULL",
        f"{INSTANCE} health = 'failing', health_failures = 20, health_checked_at = now() - interval '61 minutes'",
        f"{INSTANCE} health = 'failing', health_failures = 4, health_checked_at = now() - interval '10 minutes'",
        f"{OWN} health_checked_at = now() - interval '30 minutes'",
        f"{OWN} check_asked_at = now() - interval '50 s', health_checked_at = NULL",
        f"{OWN} health_failures = 1, health_checked_at = now() - interval '5 minutes'",
        f"{OWN} health_failures = 30, health_checked_at = now() - interval '61 minutes'",
    ),
    "connectors.sweep_clients": (
        "DELETE FROM connectors_clientlist",
        f"{LISTED} fetched_at = NULL",
        f"{LISTED} fetched_at = now() - interval '1 day'",
        f"{LISTED} fetched_at = now() - interval '1 hour', code = 'vendor_timeout'",
        f"{LISTED} asked_at = now(), fetched_at = now() - interval '1 s'; {INSTANCE} state = 'inactive'",
    ),
    "connectors.watch": (
        f"{INSTANCE} health = 'failing'",
        f"{INSTANCE} health_ok_at = now() - interval '601 s'",
        f"{INSTANCE} health_ok_at = NULL",
        f"{INSTANCE} noticed = 'unhealthy'",
        f"{INSTANCE} connector = 'gone'",
        "DELETE FROM tenants_entitlement",
        "UPDATE tenants_entitlement SET valid_until = now()",
        f"{OWN} health = 'failing'",
        f"{OWN} health_ok_at = now() - interval '61 minutes'",
        f"{OWN} noticed = 'failing'",
        "UPDATE connectors_credential SET expires_on = current_date + 14",
        "UPDATE connectors_credential SET expires_on = current_date + 1, warned_days = 14",
        "UPDATE connectors_credential SET expires_on = current_date - 1, warned_days = 1 WHERE customer_id IS NULL",
        "UPDATE connectors_credential SET expires_on = current_date - 1, warned_days = 1 WHERE customer_id IS NOT NULL",
    ),
    "connectors.sweep_signals": (
        "DELETE FROM connectors_signalpull",
        f"{PULL} pulled_at = NULL",
        f"{PULL} pulled_at = now() - interval '5 minutes'",
        f"{PULL} pulled_at = now() - interval '31 s'; UPDATE connectors_hook SET nudged_at = now()",
    ),
    "connectors.sweep_billed": (
        f"{INSTANCE} connector = 'connectwise', settings = '{{\"asset_product\": \"12\"}}'; {PLANNED} 'connectwise'",
    ),
    "connectors.sweep_discoveries": (
        f"{INSTANCE} connector = 'mcp'; {PLANNED} 'mcp'",
        "UPDATE connectors_dryrun SET asked_at = now() - interval '25 hours'",
    ),
    "gateway.sweep_lost_calls": (
        "UPDATE connectors_toolcall SET created_at = now() - interval '6 minutes'",
        "UPDATE connectors_toolcall SET state = 'running', created_at = now() - interval '6 minutes'",
    ),
    "gateway.sweep_names": (
        "UPDATE connectors_idempotencykey SET created_at = now() - interval '8 days'",
        "UPDATE connectors_idempotencykey SET kept_at = now() - interval '25 hours', result = 'x'",
        "UPDATE connectors_keptanswer SET kept_at = now() - interval '25 hours'",
    ),
    "identity.sweep_ended_roles": ("UPDATE identity_rolebinding SET expires_at = now()",),
    "identity.sweep_sessions": (
        "UPDATE identity_session SET last_seen_at = now() - interval '61 minutes'",
        (
            "UPDATE identity_session SET last_seen_at = now() - interval '6 minutes';"
            " UPDATE identity_securitypolicy SET idle_minutes = 5"
        ),
        "UPDATE identity_session SET last_seen_at = now() - interval '61 minutes'; DELETE FROM identity_securitypolicy",
        f"UPDATE identity_session SET {OVER}",
        "UPDATE identity_session SET created_at = now() - interval '13 hours'",
        f"UPDATE identity_spentchallenge SET spent_at = {LONG_AGO}",
    ),
    "identity.sweep_oauth": (
        "UPDATE identity_agentsession SET ended_at = now() - interval '8 days'",
        "UPDATE identity_agentsession SET expires_at = now() - interval '8 days'",
        "UPDATE identity_spentassertion SET expires_at = now() - interval '1 day'",
    ),
    "identity.sweep_mail": (
        "UPDATE identity_mail SET state = 'queued', finished_at = NULL, next_try_at = now()",
        "UPDATE audit_alert SET told_at = NULL",
    ),
    "identity.sweep_leftovers": (
        f"UPDATE identity_passwordreset SET {OVER}",
        f"UPDATE identity_emailchange SET {OVER}",
        "UPDATE identity_emailchange SET confirmed_at = now(), undo_until = now()",
        f"DELETE FROM identity_invitation; UPDATE identity_mail SET {OLD_ID}",
        "UPDATE identity_attempts SET last_at = now() - interval '25 hours'",
    ),
    "identity.sweep_handover_domains": (
        "UPDATE audit_handoverdomain SET verified_at = now(), checked_at = now() - interval '21 hours'",
    ),
}
# Those that come to everybody, each at its time.
IN_TURN = {
    "approvals.forget_notifications", "billing.roll_up", "billing.sample_gauges", "connectors.forget_arguments",
}  # fmt: skip
ALONE = {
    "audit.check_logs": "recomputes every log, once a night",
    "audit.watch_lag": "looks at one number first, which says that nobody waits",
    "connectors.keep_keys": "comes to tenants only while an old key is there",
    "tenants.make_partitions": "is about no tenant",
}


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch, settings: Any) -> set[UUID]:
    """Whom the sweeps would have come to, without the net of the day."""
    found: set[UUID] = set()
    settings.MSPLEX_PROCESS = "worker"
    monkeypatch.setattr(sweeping, "_turn", lambda *_: [])
    monkeypatch.setattr(sweeping, "_walk", lambda tenants, _work: found.update(tenants))
    return found


def run(sweep: str) -> None:
    app.loader.import_default_modules()
    app.tasks[sweep]()


def make_true(world: Furnished, statements: str) -> None:
    """As the administrator, of this tenant's rows alone."""
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements.split(";"):
            narrowed = "" if "INSERT" in statement else f" {'AND' if 'WHERE' in statement else 'WHERE'} tenant_id ="
            cursor.execute(statement + narrowed + (" %(tenant)s" if narrowed else ""), {"tenant": world.id})


@pytest.fixture
def world() -> Furnished:
    furnished = furnish("swept")
    make_true(furnished, ";".join(QUIET))
    return furnished


def test_every_task_of_the_schedule_asks_or_says_why_not() -> None:
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled == {*WORK, *IN_TURN, *ALONE}


@pytest.mark.parametrize(
    ("sweep", "due"),
    [(sweep, due) for sweep, cases in WORK.items() for due in cases],
    ids=lambda value: re.sub(r"\W+", " ", value)[:60],
)
def test_a_tenant_with_work_is_not_passed_over_and_one_without_is(
    sweep: str, due: str, world: Furnished, walked: set[UUID]
) -> None:
    with as_role("worker"):
        run(sweep)
    assert world.id not in walked
    make_true(world, due)
    with as_role("worker"):
        run(sweep)
    assert world.id in walked


@pytest.mark.parametrize("sweep", WORK)
def test_idle_tenants_cost_a_sweep_no_statement(sweep: str, walked: set[UUID]) -> None:
    counts, idle = [], set()
    for number in (1, 5):
        idle |= {make_tenant().id for _ in range(number)}
        statements: list[str] = []
        with as_role("worker"), connection.execute_wrapper(_noting(statements)):
            run(sweep)
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 4
    assert not idle & walked


def _noting(statements: list[str]) -> Any:
    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    return note


@pytest.mark.parametrize("sweep", sorted(IN_TURN))
def test_what_comes_to_everybody_does_so_in_turns(
    sweep: str, monkeypatch: pytest.MonkeyPatch, walked: set[UUID]
) -> None:
    turns: list[str] = []
    monkeypatch.setattr(sweeping, "_turn", lambda name, *_: turns.append(name) or [])
    with as_role("worker"):
        run(sweep)
    assert turns == [sweep]


def test_a_suspended_tenant_is_not_told_of(world: Furnished, walked: set[UUID]) -> None:
    make_true(world, "UPDATE audit_alert SET told_at = NULL")
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("UPDATE provider.tenant SET active = false WHERE id = %s", [world.id])
    with as_role("worker"):
        run("identity.sweep_mail")
    assert world.id not in walked
