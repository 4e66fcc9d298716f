"""Keys and unique constraints, generated from the catalogue: what they say tells nothing of another tenant's rows."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.tenants.attacks import ROLES, put_in, row_of, rows
from tests.tenants.furnishing import Furnished, as_administrator, furnish
from tests.tenants.kinds import KINDS

Worlds = tuple[Furnished, Furnished]
FOREIGN_KEY, CHECK = "23503", "23514"
DONE = ("", "", "", "")


@dataclass(frozen=True)
class Reference:
    """A foreign key: the column of `table` that refers to a row of `target`."""

    name: str
    table: str
    column: str
    target: str


@dataclass(frozen=True)
class UniqueIndex:
    name: str
    table: str
    columns: tuple[str, ...]


@pytest.fixture(scope="module")
def worlds(_database: None) -> Worlds:
    return furnish("acme"), furnish("globex")


def references() -> list[Reference]:
    """The last column of each key: what stands before it is the tenant (and, with `via`, the customer)."""
    found = rows(
        "SELECT f.conname, c.relname, a.attname, t.relname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid"
        " JOIN pg_class t ON t.oid = f.confrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.conkey[cardinality(f.conkey)]"
        " WHERE f.contype = 'f' AND c.relforcerowsecurity AND NOT c.relispartition AND f.conparentid = 0 ORDER BY 1"
    )
    return [Reference(*row) for row in found]


def unique_indexes() -> list[UniqueIndex]:
    """By the columns that are not the tenant."""
    found = rows(
        "SELECT i.indexrelid::regclass::text, c.relname, (SELECT array_agg(a.attname::text) FROM pg_attribute a"
        " WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.attname <> 'tenant_id')"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE i.indisunique AND c.relforcerowsecurity AND NOT c.relispartition ORDER BY 1"
    )
    return [UniqueIndex(name, table, tuple(columns)) for name, table, columns in found]


class Attack:
    """A process of acme adds rows like its own, with something of globex in them."""

    def __init__(self, worlds: Worlds, database: str | None = None) -> None:
        self.acme, self.globex = (world.id for world in worlds)
        self.database = database
        with as_administrator(database):
            self.own = {table: row_of(table, self.acme) for table in KINDS}
            self.theirs = {table: row_of(table, self.globex) for table in KINDS}
            self.references, self.indexes = references(), unique_indexes()
            self.writers = {table: writer for table in KINDS if (writer := _writer(table))}

    def answer(self, table: str, changes: dict[str, Any]) -> tuple[str, str, str, str]:
        """Code, message, detail and the constraint's name, as the process is told them; DONE if it was done."""
        changes = changes | self._with_the_id(table, changes)
        try:
            with as_administrator(self.database), acting_for(Context(self.acme)), transaction.atomic():
                self._make_room(table)
                rows(f"SET LOCAL ROLE msplex_{self.writers[table]}")
                put_in(table, self.own[table] | changes)
                transaction.set_rollback(True)
        except DatabaseError as error:
            said = error.__cause__.diag  # type: ignore[union-attr]
            return said.sqlstate, said.message_primary, said.message_detail or "", said.constraint_name or ""
        return DONE

    def _make_room(self, table: str) -> None:
        """Its own rows are not what is asked about: they go, for the moment, and nothing that refers to them minds."""
        rows("SET LOCAL session_replication_role = replica")
        rows(f"DELETE FROM {table} WHERE tenant_id = %s", self.acme)
        rows("SET LOCAL session_replication_role = origin")

    def _with_the_id(self, table: str, changes: dict[str, Any]) -> dict[str, Any]:
        """A person's and a machine's id is their principal's: one changes with the other."""
        own = self.own[table]
        values = [value for column, value in changes.items() if own[column] == own["id"]]
        same = [column for column in own if own[column] == own["id"] and column != "tenant_id"]
        return dict.fromkeys(same, values[0]) if values else {}

    def keys_of(self, table: str) -> set[str]:
        return {key.column for key in self.references if key.table == table}

    def revealing(self) -> list[str]:
        """The unique indexes that refuse a row because of a value that globex has."""
        found = []
        for index in self.indexes:
            if index.table not in self.writers:
                continue
            theirs = {column: self.theirs[index.table][column] for column in index.columns}
            code, *_, constraint = self.answer(index.table, theirs)
            if code not in {"", FOREIGN_KEY, CHECK}:  # those two are said without a look at anybody's rows
                found.append(constraint)
        return found


def _writer(table: str) -> str | None:
    """A role that may add rows."""
    sql = "SELECT has_table_privilege(%s, %s::regclass, 'INSERT')"
    return next((role for role in ROLES if rows(sql, f"msplex_{role}", table)[0][0]), None)


def test_every_row_of_ours_can_be_added_again(worlds):
    """Or a refusal below would say nothing about the value that was changed."""
    attack = Attack(worlds)

    assert {table: attack.answer(table, {}) for table in attack.writers} == dict.fromkeys(attack.writers, DONE)
    assert set(KINDS) - set(attack.writers) == {"tenants_revision"}


def test_a_reference_to_another_tenants_row_is_refused_like_one_to_nothing(worlds):
    attack = Attack(worlds)
    assert len(attack.references) > 20

    for key in attack.references:
        said = []
        for target in (attack.theirs[key.target]["id"], str(uuid7())):
            code, *words, constraint = attack.answer(key.table, {key.column: target})
            assert (code, constraint) == (FOREIGN_KEY, key.name)
            said.append([word.replace(target, "that id") for word in words])
        assert said[0] == said[1], key


def test_another_tenants_values_are_as_free_as_any(worlds):
    """E-mail addresses, names, slugs, client ids, ids: whatever is unique is so within the tenant."""
    attack = Attack(worlds)
    for index in attack.indexes:
        free = set(index.columns) - attack.keys_of(index.table)
        if index.table not in attack.writers or attack.own[index.table]["id"] == str(attack.acme):
            continue
        theirs = {column: attack.theirs[index.table][column] for column in free}
        if not attack.keys_of(index.table) & set(attack._with_the_id(index.table, theirs)):
            assert attack.answer(index.table, theirs) == DONE, index


def test_no_unique_index_tells_of_another_tenants_row(worlds):
    attack = Attack(worlds)
    assert len(attack.indexes) > 40

    assert attack.revealing() == []


def test_a_unique_index_without_the_tenant_would_be_noticed(scratch_database):
    with scratch_database("app"):
        worlds = furnish("acme", scratch_database.name), furnish("globex", scratch_database.name)
    with as_administrator(scratch_database.name):
        rows("CREATE UNIQUE INDEX loose_key ON tenants_customer (key)")
        rows("CREATE UNIQUE INDEX loose_user ON identity_totpdevice (user_id)")

    assert set(Attack(worlds, scratch_database.name).revealing()) == {"loose_key", "loose_user"}
