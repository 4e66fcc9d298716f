"""The signed context, forged, bent, stolen, expired and shadowed, as SQL over the application's own role."""

import secrets
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.setup import IPAD, OPAD
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant
from tests.tenants.furnishing import as_administrator

KEY_ID, EXPIRES, TENANT, CUSTOMERS, PRINCIPAL, MAC = range(6)


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def globex() -> TenantWorld:
    return make_tenant("globex")


def run(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall() if cursor.description else []


def token() -> str:
    return run("SELECT current_setting('msplex.context')")[0][0]


def seen_with(context: str) -> set[UUID]:
    """The tenants whose customers are there for whoever gives this as the context."""
    with transaction.atomic():
        run("SELECT set_config('msplex.context', %s, true)", context)
        return {row[0] for row in run("SELECT DISTINCT tenant_id FROM tenants_customer")}


def signed_for(context: Context) -> str:
    """What this process would sign for this session."""
    return context.token(run("SELECT pg_backend_pid()")[0][0])


def test_what_is_signed_for_this_session_is_believed(acme):
    assert seen_with(signed_for(Context(acme.id))) == {acme.id}


@pytest.mark.parametrize(
    "forged",
    [
        *("x", "::::::", ":::::", "1:9999999999:{other}:*::", "1:9999999999:{other}:*::deadbeef", "1:0:{other}:*::00"),
        *("{mine}x", "9:{mine}", "{mine}:", " {mine}", "{mine}\n", "1:9999999999:{other}:*::{mac}"),
    ],
)
def test_a_forged_context_is_refused(acme, globex, forged):
    with acme.acting():
        mine = token()
    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(forged.format(mine=mine, other=globex.id, mac=mine.split(":")[MAC]))


def test_an_empty_context_is_none(acme):
    with pytest.raises(DatabaseError, match="no tenant context"):
        seen_with("")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (KEY_ID, "2"),
        (EXPIRES, "9999999999"),
        (TENANT, "{globex}"),
        (CUSTOMERS, "*"),
        (CUSTOMERS, "{other}"),
        (CUSTOMERS, "{own},{other}"),
        (CUSTOMERS, ""),
        (PRINCIPAL, "{somebody}"),
        (PRINCIPAL, ""),
    ],
)
def test_no_part_of_a_signed_context_can_be_changed(acme, globex, part, value):
    own, other = (customer.id.hex for customer in acme.customers[:2])
    parts = signed_for(Context(acme.id, (acme.customers[0].id,), uuid7())).split(":")
    parts[part] = value.format(globex=globex.id, own=own, other=other, somebody=uuid7().hex)

    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(":".join(parts))


def test_parts_cannot_be_moved_into_each_other(acme):
    """The same bytes are signed only in the same places: no part holds the separator."""
    principal = uuid7()
    kid, expires, tenant, _, who, mac = signed_for(Context(acme.id, (), principal)).split(":")

    for parts in (
        (kid, expires, tenant, who, "", mac),
        (kid, expires, tenant, who, mac),
        (kid, expires, tenant, "", "", who, mac),
    ):
        with pytest.raises(DatabaseError, match="bad tenant context"):
            seen_with(":".join(parts))


def test_a_context_stolen_from_another_session_is_refused(globex):
    """The signature covers the backend's pid: the same bytes are worth nothing in another session."""
    with globex.acting():
        stolen = token()
    connection.close()

    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(stolen)


def test_an_expired_context_is_refused_although_it_is_signed(acme, monkeypatch):
    monkeypatch.setattr("tenants.isolation.context.TOKEN_SECONDS", 30)
    assert seen_with(signed_for(Context(acme.id))) == {acme.id}

    monkeypatch.setattr("tenants.isolation.context.TOKEN_SECONDS", -1)
    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(signed_for(Context(acme.id)))


def test_a_context_signed_with_another_key_is_refused(acme, settings):
    settings.CONTEXT_KEY = secrets.token_bytes(32)

    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(signed_for(Context(acme.id)))


def test_a_context_that_names_an_unknown_key_is_refused(acme, settings):
    settings.CONTEXT_KEY_ID = 2

    with pytest.raises(DatabaseError, match="bad tenant context"):
        seen_with(signed_for(Context(acme.id)))


def test_two_keys_are_valid_while_one_replaces_the_other_each_by_its_own_number(scratch_database, settings):
    first, second = settings.CONTEXT_KEY, secrets.token_bytes(32)
    with scratch_database("app"):
        acme = make_tenant("acme")
    with as_administrator(scratch_database.name):
        pads = [bytes(byte ^ pad for byte in second.ljust(64, b"\0")) for pad in (IPAD, OPAD)]
        run("INSERT INTO msplex.context_key VALUES (2, %s, %s)", *pads)

    def accepted(key: bytes, number: int) -> bool:
        settings.CONTEXT_KEY, settings.CONTEXT_KEY_ID = key, number
        try:
            return seen_with(signed_for(Context(acme.id))) == {acme.id}
        except DatabaseError as error:
            assert "bad tenant context" in str(error)  # noqa: PT017 - which of the two is the question
            return False

    with scratch_database("app"):
        assert [accepted(first, 1), accepted(second, 2)] == [True, True]
        assert [accepted(first, 2), accepted(second, 1)] == [False, False]
    with as_administrator(scratch_database.name):
        run("DELETE FROM msplex.context_key WHERE kid = 1")
    with scratch_database("app"):
        assert [accepted(first, 1), accepted(second, 2)] == [False, True]


# What an attacker puts before the real thing, and the signature that it would then take for a good one.
NEVER = "CREATE FUNCTION shadow.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'"
DIFFERS = "CREATE OPERATOR shadow.<> (FUNCTION = shadow.never, LEFTARG = text, RIGHTARG = text)"
SHADOWS = {
    "encode": (
        "CREATE FUNCTION shadow.encode(bytea, text) RETURNS text LANGUAGE sql AS $$ SELECT 'forged' $$",
        "forged",
    ),
    "sha256": ("CREATE FUNCTION shadow.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT 'x'::bytea $$", "78"),
    "not equal": (f"{NEVER}; {DIFFERS}", "anything"),
}
READER = (
    "CREATE FUNCTION shadow.current_setting(text, boolean) RETURNS text LANGUAGE sql"
    " AS $$ SELECT pg_catalog.current_setting('shadow.context', true) $$"
)


@pytest.mark.parametrize("reader", [None, READER], ids=["", "current_setting"])
@pytest.mark.parametrize("shadow", SHADOWS)
def test_what_is_put_before_our_functions_is_not_found_by_them(scratch_database, shadow, reader):
    """As a role that may create, which ours may not; and with the pin gone, to show what it holds back."""
    statements, mac = SHADOWS[shadow]
    with scratch_database("app"):
        acme, globex = make_tenant("acme"), make_tenant("globex")
    forged = f"1:9999999999:{globex.id}:*::{mac}"
    with as_administrator(scratch_database.name):
        run(f"GRANT CREATE ON DATABASE {scratch_database.name} TO msplex_app")
    with scratch_database("app"):
        for statement in (
            "CREATE SCHEMA shadow",
            "GRANT USAGE ON SCHEMA shadow TO PUBLIC",
            *statements.split("; "),
            reader,
        ):
            run(statement or "SELECT 1")

    def attack() -> set[UUID]:
        with scratch_database("app"), acme.acting():
            run("SET LOCAL search_path = shadow, content, pg_catalog, pg_temp")
            run("SELECT set_config('shadow.context', %s, true)", forged)
            return seen_with(forged)

    with pytest.raises(DatabaseError, match="bad tenant context"):
        attack()
    with as_administrator(scratch_database.name):
        for function in ("context", "tenant", "all_customers", "customers", "principal"):
            run(f"ALTER FUNCTION msplex.{function}() RESET search_path")
    assert attack() == {globex.id}


def test_acting_for_a_tenant_ends_with_the_block(acme):
    with acting_for(Context(acme.id)):
        pass

    with transaction.atomic(), pytest.raises(DatabaseError, match="no tenant context"):
        Customer._base_manager.count()
