"""Process: command, with the provider's connection. Totals of tenants' months; nothing of a tenant's content."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.exports import Format
from billing.months import month_of, parsed
from billing.provider import give_out, taken
from tenants.errors import DomainError

SHOWN = 100


class Command(BaseCommand):
    help = "Print what each tenant used in a month: one row for each tenant and meter."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--month", help="such as 2026-04; the one of now unless said")
        parser.add_argument("--format", choices=[each.value for each in Format], default=Format.CSV.value)
        parser.add_argument("--history", action="store_true", help="who took which, the newest first, instead")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        month = parsed(options["month"]) if options["month"] else month_of(timezone.now())
        if month is None:
            raise CommandError("--month: say a month, such as 2026-04.")
        try:
            if options["history"]:
                self._history()
            else:
                sys.stdout.buffer.write(give_out(month, Format(options["format"]), by="command export_usage"))
        except DomainError as error:
            raise CommandError(error.message) from error

    def _history(self) -> None:
        for at, by, month, made_as, tenants, digest in taken(SHOWN):
            told = f"{at:%Y-%m-%d %H:%M:%S} {month:%Y-%m} {made_as}, {tenants} tenants, by {by}, sha256 {digest}"
            self.stdout.write(told)
