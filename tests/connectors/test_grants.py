"""What the database itself allows each process, whatever the code says."""

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from connectors.models import (
    AdoptedSecret,
    ClientList,
    ClientSource,
    ConnectorInstance,
    Credential,
    CustomerMapping,
    DryRun,
    Hook,
    HookDelivery,
    IdempotencyKey,
    ImportedTool,
    KeptAnswer,
    OwnCredential,
    Pause,
    SealedSecret,
    Signal,
    SignalPull,
    ToolCall,
    VendorClient,
)
from tenants.isolation.context import Context, acting_for
from tenants.isolation.models import TenantModel
from tenants.models import BilledQuantity
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.factories import TenantWorld, make_tenant

SET_UP = {
    "settings", "configured_at", "state", "activated_at", "activated_by", "check_asked_at", "retired_at", "retired_by",
    "own_credentials_only",
}  # fmt: skip
HEALTH = {"health", "health_checked_at", "health_ok_at", "health_failures", "health_detail", "health_code", "noticed"}
OWN_HEALTH = HEALTH - {"health_detail"}
SEEN = {"seen", "seen_digest", "state"}
DECLARED = {
    "pinned", "pinned_digest", "title", "description", "risk", "tier", "declaration", "classified_at", "classified_by",
    "exposed_at", "exposed_by",
}  # fmt: skip
VERDICT = {"state", "gate", "code", "verdicts"}
OUTCOME = VERDICT | {"finished_at", "rows_returned", "rows_dropped", "rows_foreign", "vendor_requests"}
MOVED = {
    "suite", "kek_id", "payload", "wrapped_key", "rev", "signature", "rekeyed_at", "data_key_at", "unreadable",
}  # fmt: skip
TOLD = {"title", "severity", "state", "count", "opened_at", "due_at", "seen_at", "resolved_at"}
# What each role may change in a row that is there; every other column of every table is refused.
CHANGEABLE: dict[tuple[str, type[TenantModel]], set[str]] = {
    ("app", ConnectorInstance): SET_UP | HEALTH,
    ("broker", ConnectorInstance): HEALTH,
    ("app", ClientList): {"asked_at", "asked_by", "believe"},
    ("app", ClientSource): {
        "tool_id",
        "pinned",
        "pinned_digest",
        "rows",
        "client_id",
        "name",
        "domain",
        "page",
        "first_page",
        "declared_at",
        "declared_by",
    },
    ("broker", ClientList): {"believe", "fetched_at", "ok_at", "code", "count"},
    ("broker", VendorClient): {"name", "domain", "gone_at"},
    ("worker", ConnectorInstance): {"noticed"},
    ("app", Credential): {"expires_on", "warned_days"},
    ("worker", Credential): {"warned_days"},
    ("app", CustomerMapping): {"external_id", "external_name"},
    ("app", Hook): {
        "generation",
        "rotated_at",
        "delivered_at",
        "nudged_at",
        "kept",
        "unmapped",
        "unreadable",
        "refused",
        "refused_at",
    },
    ("app", Signal): TOLD | {"owner"},
    ("app", IdempotencyKey): {"arguments_digest", "call_id", "created_at", "result", "kept_at"},
    ("worker", IdempotencyKey): {"result"},
    ("app", ImportedTool): SEEN | DECLARED,
    ("broker", ImportedTool): SEEN,
    ("broker", DryRun): {"state", "code", "result", "finished_at"},
    ("app", OwnCredential): {"stored_at", "check_asked_at"} | OWN_HEALTH,
    ("broker", OwnCredential): OWN_HEALTH,
    ("worker", OwnCredential): {"noticed"},
    ("app", Pause): {"lifted_at", "lifted_by", "reason"},
    ("app", ToolCall): VERDICT,
    ("broker", Signal): TOLD,
    ("broker", SignalPull): {"pulled_at", "ok_at", "code", "kept", "unmapped", "unreadable"},
    ("broker", BilledQuantity): {"owner", "product", "quantity", "code", "read_at"},
    ("worker", ToolCall): OUTCOME,
    ("broker", AdoptedSecret): MOVED,
    ("broker", ToolCall): OUTCOME | {"started_at"},
}
# The other rights. A role that is not named has none.
OTHERWISE = {
    ConnectorInstance: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT"}, "broker": {"SELECT"}},
    Credential: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT"}, "broker": {"SELECT"}},
    CustomerMapping: {"app": {"SELECT", "INSERT", "DELETE"}, "broker": {"SELECT"}},
    ClientList: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT"}, "broker": {"SELECT", "INSERT"}},
    ClientSource: {"app": {"SELECT", "INSERT", "DELETE"}, "worker": {"SELECT"}, "broker": {"SELECT"}},
    VendorClient: {"app": {"SELECT"}, "broker": {"SELECT", "INSERT", "DELETE"}},
    Pause: {"app": {"SELECT"}, "worker": {"SELECT", "INSERT"}, "broker": {"SELECT", "INSERT"}},
    OwnCredential: {"app": {"SELECT", "INSERT", "DELETE"}, "worker": {"SELECT"}, "broker": {"SELECT"}},
    IdempotencyKey: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT", "DELETE"}},
    KeptAnswer: {"app": {"SELECT"}, "worker": {"SELECT", "DELETE"}, "broker": {"INSERT"}},
    ImportedTool: {"app": {"SELECT", "INSERT"}, "broker": {"SELECT", "INSERT"}},
    DryRun: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT", "DELETE"}, "broker": {"SELECT"}},
    SealedSecret: {"app": {"INSERT"}, "broker": {"SELECT", "DELETE"}},
    AdoptedSecret: {"broker": {"SELECT", "INSERT", "DELETE"}},
    Hook: {"app": {"SELECT", "INSERT", "DELETE"}, "worker": {"SELECT"}, "broker": {"SELECT"}},
    HookDelivery: {"app": {"SELECT", "INSERT", "DELETE"}, "worker": {"SELECT", "DELETE"}},
    Signal: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT", "DELETE"}, "broker": {"SELECT", "INSERT", "DELETE"}},
    SignalPull: {"app": {"SELECT"}, "worker": {"SELECT"}, "broker": {"SELECT", "INSERT"}},
    BilledQuantity: {"app": {"SELECT"}, "worker": {"SELECT"}, "broker": {"SELECT", "INSERT", "DELETE"}},
    # The broker's own: what a host agent has done with a grant that it held (approvals.held.settling).
    ToolCall: {"app": {"SELECT", "INSERT"}, "worker": {"SELECT"}, "broker": {"SELECT", "INSERT"}},
}


@pytest.fixture(scope="module")
def acme(_database: None) -> TenantWorld:
    return make_tenant()


def refused(world: TenantWorld, role: str, statement: str) -> bool:
    with as_role(role), acting_for(Context(world.id)), transaction.atomic(), connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except ProgrammingError as error:
            transaction.set_rollback(True)
            return isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege)
        return False


@pytest.mark.parametrize("model", OTHERWISE)
@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer"])
def test_a_role_changes_its_own_columns_and_no_other(acme: TenantWorld, role: str, model: type[TenantModel]) -> None:
    table, columns = model._meta.db_table, {field.column for field in model._meta.fields}

    changed = {
        column for column in columns if not refused(acme, role, f"UPDATE {table} SET {column} = NULL WHERE false")
    }

    assert changed == CHANGEABLE.get((role, model), set())


@pytest.mark.parametrize("model", OTHERWISE)
@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer", "provider"])
def test_a_role_has_no_further_right(role: str, model: type[TenantModel]) -> None:
    table = f"content.{model._meta.db_table}"
    rights = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT r FROM unnest(%s::text[]) r WHERE has_table_privilege(%s, %s, r)",
            [list(rights), f"msplex_{role}", table],
        )
        held = {row[0] for row in cursor.fetchall()}

    assert held == OTHERWISE[model].get(role, set())  # UPDATE is held by column, never for the table


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
        "SELECT payload FROM connectors_adoptedsecret",
        "SELECT wrapped_key FROM connectors_adoptedsecret",
        "SELECT signature FROM connectors_adoptedsecret",
        "SELECT count(*) FROM connectors_adoptedsecret WHERE payload IS NOT NULL",
        "INSERT INTO connectors_adoptedsecret (id) VALUES (gen_random_uuid())",
        "UPDATE connectors_adoptedsecret SET kek_id = 'x'",
        "DELETE FROM connectors_adoptedsecret",
        "INSERT INTO border.kek (id) VALUES ('x')",
        "UPDATE border.kek SET state = 'active'",
        "DELETE FROM border.kek",
        "SELECT border.every_tenant()",
        "SELECT border.credential_record(gen_random_uuid(), NULL)",
        "DELETE FROM connectors_credential",
    ],
)
def test_the_web_cannot_read_or_change_ciphertext(connected: ConnectedWorld, role: str, statement: str) -> None:
    assert refused(connected.tenant, role, statement)


def test_the_web_cannot_get_ciphertext_back_from_its_own_insert(connected: ConnectedWorld) -> None:
    statement = (
        "INSERT INTO connectors_sealedsecret (id, tenant_id, credential_id, suite, kek_id, sealed, created_at)"
        f" VALUES (gen_random_uuid(), '{connected.tenant.id}', gen_random_uuid(), '', '', '', now()) RETURNING sealed"
    )

    assert refused(connected.tenant, "app", statement)


def test_the_broker_reads_ciphertext(connected: ConnectedWorld) -> None:
    assert not refused(connected.tenant, "broker", "SELECT sealed FROM connectors_sealedsecret")


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
        cursor.execute("UPDATE connectors_connectorinstance SET state = 'inactive'")
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
