"""A tenant is there with its owner, or its name is free: also when making it fails, or is killed half-way."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction

from audit.errors import AuditUnavailable
from audit.selectors import events
from identity.models import User
from identity.services import provision_tenant
from identity.services.provisioning import _Order, _own_row
from tenants.directory import active_tenants, tenant_of
from tenants.errors import Conflict, Invalid, Unavailable
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.models import Tenant
from tenants.provisioning import register_tenant, withdraw_tenant
from tests.conftest import as_role, role_url
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
KILLED_WITHIN = 20.0


@pytest.fixture
def workspace() -> str:
    return f"made-{secrets.token_hex(4)}"


def _order(workspace: str, **changed: str) -> dict[str, str]:
    given = {"name": "Made", "workspace": workspace, "owner_email": "o@made.example", "password": PASSWORD}
    return given | changed


def registered(workspace: str) -> list[bool]:
    """Whether each tenant that has this name was opened; as the provider sees it."""
    with connections["provider"].cursor() as cursor:
        cursor.execute(
            "SELECT opened FROM border.directory d JOIN provider.tenant t ON t.id = d.tenant_id WHERE d.name = %s",
            [workspace],
        )
        return [opened for (opened,) in cursor.fetchall()]


def provider(statement: str, *args: object) -> int:
    with connections["provider"].cursor() as cursor:
        cursor.execute(statement, args)
        return cursor.rowcount


@pytest.fixture
def half_made(workspace: str) -> str:
    """What a killed process leaves: a name, and nothing of a tenant."""
    register_tenant(name="Made", workspace=workspace)
    assert registered(workspace) == [False]
    return workspace


def test_made_whole(workspace: str) -> None:
    made = provision_tenant(**_order(workspace.upper()))

    assert registered(workspace) == [True]
    assert tenant_of("workspace", workspace) == made.tenant.pk
    with acting_for(Context(made.tenant.pk)), transaction.atomic():
        assert User.objects.get().email == "o@made.example"
        assert events().filter(kind="identity:tenant:create").count() == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"owner_email": "nobody"}, "email"),
        ({"owner_email": f"{'x' * 60}@{'y' * 60}.{'z' * 60}.{'w' * 60}.example"}, "email"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"owner_name": "x" * 201}, "owner_name"),
    ],
)
def test_wrong_input_takes_no_name(
    workspace: str, changed: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found before the provider is asked for anything."""
    monkeypatch.setattr("tenants.provisioning.ALIAS", "not there")

    with pytest.raises(Invalid) as refused:
        provision_tenant(**_order(workspace, **changed))
    with pytest.raises(Unavailable):
        provision_tenant(**_order(workspace))

    assert refused.value.field == field


def test_what_fails_later_gives_the_name_back(scratch_database, workspace: str) -> None:
    with scratch_database("app"):
        owner = psycopg.connect(role_url("msplex_migrator", scratch_database.name), autocommit=True)
        owner.execute("SET ROLE msplex_owner")
        owner.execute("REVOKE INSERT ON audit_event FROM msplex_app")
        with pytest.raises(AuditUnavailable):
            provision_tenant(**_order(workspace))
        assert registered(workspace) == []
        owner.execute("GRANT INSERT ON audit_event TO msplex_app")
        owner.close()

        made = provision_tenant(**_order(workspace))
        assert tenant_of("workspace", workspace) == made.tenant.pk


def test_the_command_says_what_to_mend_and_can_be_run_again(workspace: str, monkeypatch, capsys) -> None:
    typed = iter(["short", PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    arguments = (workspace, "--owner-email", "o@made.example", "--ask-password")

    with pytest.raises(CommandError, match="12 characters"):
        call_command("create_tenant", *arguments)
    call_command("create_tenant", *arguments)

    assert workspace in capsys.readouterr().out


def test_a_half_made_tenant_does_not_exist(half_made: str) -> None:
    assert tenant_of("workspace", half_made) is None
    with as_role("worker"), transaction.atomic():
        known = set(active_tenants())
    with connections["provider"].cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM border.directory WHERE name = %s", [half_made])
        assert cursor.fetchone()[0] not in known


def test_a_half_made_tenant_gives_its_name_to_the_next(half_made: str) -> None:
    made = provision_tenant(**_order(half_made))

    assert registered(half_made) == [True]
    assert tenant_of("workspace", half_made) == made.tenant.pk


def test_a_name_is_taken_once_it_is_used(workspace: str) -> None:
    first = provision_tenant(**_order(workspace))

    with pytest.raises(Conflict):
        provision_tenant(**_order(workspace))

    assert tenant_of("workspace", workspace) == first.tenant.pk


def test_who_was_overtaken_opens_nothing(half_made: str) -> None:
    """The slower of two who make the same workspace at the same time."""
    with connections["provider"].cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM border.directory WHERE name = %s", [half_made])
        overtaken = cursor.fetchone()[0]
    made = provision_tenant(**_order(half_made))

    order = _Order("Made", half_made, "o@made.example", "O", PASSWORD, "trial")
    with pytest.raises(Conflict), acting_for(Context(overtaken)), transaction.atomic():
        _own_row(order)
    withdraw_tenant(overtaken)

    assert tenant_of("workspace", half_made) == made.tenant.pk


def test_no_tenant_opens_without_being_registered() -> None:
    with acting_for(Context(uuid7())), pytest.raises(DatabaseError), transaction.atomic():
        Tenant.objects.create(name="x", workspace="x")


class TestProvider:
    @pytest.fixture
    def acme(self) -> TenantWorld:
        return make_tenant("acme")

    def test_takes_back_nothing_that_was_opened(self, acme: TenantWorld) -> None:
        withdraw_tenant(acme.id)

        assert tenant_of("workspace", acme.workspace) == acme.id

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM provider.tenant WHERE id = %s",
            "UPDATE provider.tenant SET opened = false WHERE id = %s",
            "INSERT INTO provider.tenant (id, name, opened) VALUES (%s, 'x', true)",
        ],
    )
    def test_neither_opens_nor_deletes(self, acme: TenantWorld, statement: str) -> None:
        with pytest.raises(DatabaseError, match="permission denied"):
            provider(statement, acme.id)

    def test_suspends_and_renames(self, acme: TenantWorld) -> None:
        assert provider("UPDATE provider.tenant SET active = false, name = 'Gone' WHERE id = %s", acme.id) == 1
        assert tenant_of("workspace", acme.workspace) is None


def test_killed_half_way_it_is_made_by_the_next_run(scratch_database, workspace: str) -> None:
    """The second transaction waits for a lock, so that the kill meets the process between the two."""
    command = [sys.executable, "manage.py", "create_tenant", workspace, "--owner-email", "o@made.example"]
    env = os.environ | {
        "DATABASE_URL": role_url("msplex_app", scratch_database.name),
        "MSPLEX_PROVIDER_DATABASE_URL": role_url("msplex_provider", scratch_database.name),
        "DJANGO_SETTINGS_MODULE": "msplex.settings",
    }
    with scratch_database("app"):
        owner = psycopg.connect(role_url("msplex_migrator", scratch_database.name))
        owner.execute("SET ROLE msplex_owner")
        owner.execute("LOCK TABLE tenants_tenant IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _wait_until_registered(workspace, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        owner.close()

        assert registered(workspace) == [False]
        assert tenant_of("workspace", workspace) is None
        made = provision_tenant(**_order(workspace))

        assert registered(workspace) == [True]
        assert tenant_of("workspace", workspace) == made.tenant.pk


def _wait_until_registered(workspace: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + KILLED_WITHIN
    while registered(workspace) != [False]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
