"""Process: command, with the worker's database role and the record key. Reads only."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from audit.fsck import Numbers, check_tenant, gaps
from tenants.directory import active_tenants


class Command(BaseCommand):
    help = "Recompute the whole audit log from its events, of one tenant or of all; says which row is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", type=UUID, nargs="?", help="its id; all, if none is named")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        one = options["tenant"]
        numbers: Numbers = {}
        wrong = 0
        for tenant in [one] if one else active_tenants():
            wrong += self._check(tenant, numbers)
        for each in () if one else gaps(numbers):  # a stream goes over tenants
            wrong += 1
            self.stdout.write(f"wrong  {each}")
        if wrong:
            raise CommandError(f"{wrong} things are wrong.")
        self.stdout.write("The log is what was recorded.")

    def _check(self, tenant: UUID, numbers: Numbers) -> int:
        found = check_tenant(tenant)
        for boot, seen in found.numbers.items():
            numbers.setdefault(boot, set()).update(seen)
        for each in found.wrong:
            self.stdout.write(f"wrong  tenant {tenant}, {each}")
        counts = f"{found.events} events, {found.leaves} leaves, {found.checkpoints} checkpoints"
        self.stdout.write(f"tenant {tenant}: {counts}, {len(found.wrong)} wrong")
        return len(found.wrong)
