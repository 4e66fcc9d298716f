"""Process: command. Reads only."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from identity.services.projection import differences
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for


class Command(BaseCommand):
    help = "Check that django-guardian's rows of a workspace are what its role bindings say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workspace")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        tenant = tenant_of("workspace", options["workspace"])
        if tenant is None:
            raise CommandError("There is no such active workspace.")
        with acting_for(Context(tenant)), transaction.atomic():
            missing, surplus = differences()
        for user, customer, permission in sorted(missing):
            self.stdout.write(f"missing  {user} {customer} {permission}")
        for user, customer, permission in sorted(surplus):
            self.stdout.write(f"surplus  {user} {customer} {permission}")
        if missing or surplus:
            raise CommandError(f"{len(missing)} missing, {len(surplus)} surplus.")
        self.stdout.write("The projection agrees with the bindings.")
