"""What the database itself allows each process, whatever the code says."""

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from connectors.models import Credential, SealedSecret
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.factories import make_tenant

COLUMNS = "health, health_checked_at, health_ok_at, health_failures, health_detail"


def refused(world: ConnectedWorld, role: str, statement: str) -> bool:
    with as_role(role), acting_for(Context(world.tenant.id)), transaction.atomic(), connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except ProgrammingError as error:
            transaction.set_rollback(True)
            return isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege)
        return False


@pytest.mark.parametrize("role", ["app", "worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT sealed FROM connectors_sealedsecret",
        "SELECT count(*) FROM connectors_sealedsecret",
        "SELECT 1 FROM connectors_credential WHERE id IN (SELECT credential_id FROM connectors_sealedsecret)",
        "UPDATE connectors_sealedsecret SET kek_id = 'x'",
        "DELETE FROM connectors_sealedsecret",
        "INSERT INTO connectors_sealedsecret SELECT * FROM connectors_sealedsecret",
        "UPDATE connectors_credential SET digest = 'x'",
        "DELETE FROM connectors_credential",
    ],
)
def test_the_web_cannot_read_or_change_ciphertext(connected: ConnectedWorld, role: str, statement: str) -> None:
    assert refused(connected, role, statement)


def test_the_web_cannot_get_ciphertext_back_from_its_own_insert(connected: ConnectedWorld) -> None:
    statement = (
        "INSERT INTO connectors_sealedsecret (id, tenant_id, credential_id, suite, kek_id, sealed, created_at)"
        f" VALUES (gen_random_uuid(), '{connected.tenant.id}', gen_random_uuid(), '', '', '', now()) RETURNING sealed"
    )

    assert refused(connected, "app", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE connectors_sealedsecret SET kek_id = 'x'",
        "DELETE FROM connectors_sealedsecret",
        "INSERT INTO connectors_sealedsecret SELECT * FROM connectors_sealedsecret",
        "UPDATE connectors_connectorinstance SET settings = '{}'",
        "UPDATE connectors_connectorinstance SET state = 'active'",
        "UPDATE connectors_customermapping SET external_id = '12'",
        "INSERT INTO connectors_toolcall SELECT * FROM connectors_toolcall",
    ],
)
def test_the_broker_changes_health_and_outcomes_only(connected: ConnectedWorld, statement: str) -> None:
    assert refused(connected, "broker", statement)


def test_the_broker_reads_ciphertext_and_writes_health(connected: ConnectedWorld) -> None:
    assert not refused(connected, "broker", "SELECT sealed FROM connectors_sealedsecret")
    assert not refused(connected, "broker", f"UPDATE connectors_connectorinstance SET ({COLUMNS}) = ROW({COLUMNS})")


def test_ciphertext_of_another_tenant_is_not_there_even_for_the_broker(connected: ConnectedWorld) -> None:
    mallory = make_tenant("globex")

    with as_role("broker"):
        with acting_for(Context(mallory.id)), transaction.atomic():
            theirs = SealedSecret._base_manager.count()
        with acting_for(Context(connected.tenant.id)), transaction.atomic():
            ours = SealedSecret._base_manager.count()

    assert (theirs, ours) == (0, 1)


def test_a_customers_principal_sees_the_connection_but_only_its_own_mapping(connected: ConnectedWorld) -> None:
    with connected.tenant.acting(connected.tenant.customers[0]), connection.cursor() as cursor:
        cursor.execute("SELECT external_id FROM connectors_customermapping")
        mapped = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM connectors_connectorinstance")
        seen = cursor.fetchone()

    assert (mapped, seen) == ([("11",)], (1,))


def test_a_customers_principal_changes_nothing_shared(connected: ConnectedWorld) -> None:
    with connected.tenant.acting(connected.tenant.customers[0]), connection.cursor() as cursor:
        cursor.execute("UPDATE connectors_connectorinstance SET name = 'x'")
        changed = cursor.rowcount

    assert changed == 0
    with (
        pytest.raises(ProgrammingError),
        connected.tenant.acting(connected.tenant.customers[0]),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO connectors_credential (id, tenant_id, instance_id, version, digest, created_at, created_by)"
            f" VALUES (gen_random_uuid(), '{connected.tenant.id}', '{connected.instance.id}', 9, '', now(), '')"
        )


def test_a_credential_cannot_point_at_another_tenants_instance(connected: ConnectedWorld) -> None:
    mallory = make_tenant("globex")

    with pytest.raises(Exception, match="violates foreign key") as caught, mallory.acting():
        Credential.objects.create(instance=connected.instance, version=1, digest="x", created_by="mallory")

    assert connected.secret not in str(caught.value)
