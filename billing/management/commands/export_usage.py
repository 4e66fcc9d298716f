"""Process: command, with the provider's connection. Totals of tenants' months; nothing of a tenant's content."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.months import month_of, parsed
from billing.provider import COLUMNS, usage_of_tenants
from billing.rows import as_csv, as_json
from tenants.errors import DomainError


class Command(BaseCommand):
    help = "Print what each tenant used in a month: one row for each tenant and meter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--month", help="such as 2026-04; the one of now unless said")
        parser.add_argument("--format", choices=("csv", "json"), default="csv")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        month = parsed(options["month"]) if options["month"] else month_of(timezone.now())
        if month is None:
            raise CommandError("--month: say a month, such as 2026-04.")
        try:
            rows = list(usage_of_tenants(month))
        except DomainError as error:
            raise CommandError(error.message) from error
        if options["format"] == "csv":
            sys.stdout.buffer.write(as_csv([COLUMNS, *rows]))
        else:
            self.stdout.write("[\n" + ",\n".join(as_json(COLUMNS, rows)) + "\n]")
