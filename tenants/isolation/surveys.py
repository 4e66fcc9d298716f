"""Migration operations for the questions of the sweeps: which tenants have something to do. docs/isolation.md explains.

A question is a function of the owner's that gives ids of tenants and nothing else. It is asked in a context that is
signed for nobody, and no process's role sees a row in that one: only the owner does, of the tables that are surveyed.
"""

from django.db.migrations import RunSQL

from tenants.isolation.context import NOBODY


def surveyed_table(*tables: str) -> RunSQL:
    """The owner, whom no process can be, reads them whole in the context that is nobody's."""
    return RunSQL(
        [
            f'CREATE POLICY survey ON "{table}" FOR SELECT TO msplex_owner'
            f" USING ((SELECT msplex.tenant()) = '{NOBODY}'::uuid)"
            for table in tables
        ],
        [f'DROP POLICY survey ON "{table}"' for table in tables],
    )


def question(name: str, parameters: str, found: str) -> RunSQL:
    """`found`: a query of tenant ids, by the names of `parameters`. Suspended tenants are not told of."""
    types = ", ".join(each.split()[1] for each in parameters.split(", ") if each)
    body = f"SELECT id FROM provider.tenant WHERE active AND opened AND id IN ({found})"  # noqa: S608 - of a migration
    return _for_the_worker(name, parameters, types, "SETOF uuid", body)


def count(name: str, counted: str) -> RunSQL:
    """A number over all tenants, which names none of them."""
    return _for_the_worker(name, "", "", "bigint", f"SELECT count(*) FROM {counted}")  # noqa: S608


def _for_the_worker(name: str, parameters: str, types: str, returns: str, body: str) -> RunSQL:
    """The owner's, as everything that crosses; its tables by their whole names."""
    signature = f"border.{name}({types})"
    kind = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    return RunSQL(
        [
            f"CREATE FUNCTION border.{name}({parameters}) RETURNS {returns} {kind} AS $question${body}$question$",
            f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {signature} TO msplex_worker",
        ],
        f"DROP FUNCTION {signature}",
    )
