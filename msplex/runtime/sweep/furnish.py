"""python -m msplex.runtime.sweep.furnish WORKSPACE: everything that the catalogue has, for one tenant of the demo."""

import sys

import django


def furnish(workspace: str) -> None:
    from django.db import transaction

    from audit.actors import system
    from billing.services import set_entitlement
    from connectors.catalogue import all_connectors
    from tenants.directory import tenant_of
    from tenants.isolation.context import Context, acting_for

    tenant = tenant_of("workspace", workspace)
    if tenant is None:
        raise SystemExit(f"There is no workspace {workspace}.")
    with acting_for(Context(tenant)), transaction.atomic():
        for entry in all_connectors():
            set_entitlement(entry.key, included_calls=100_000, calls_per_minute=60_000, by=system("sweep"))


if __name__ == "__main__":
    django.setup()
    furnish(sys.argv[1])
