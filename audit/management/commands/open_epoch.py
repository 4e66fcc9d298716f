"""Process: command, with the sealer's database role, record key and directory. Writes one event and one epoch."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.actors import system
from audit.log_keys import installation
from audit.sealing.epochs import open_epoch
from audit.sealing.memory import heads_in
from tenants.errors import DomainError


class Command(BaseCommand):
    help = (
        "Begin a tenant's audit log anew, after a restore from a backup: the sealer refuses to go on with the old one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", type=UUID, help="its id, as the sealer's refusal names it")
        parser.add_argument("--reason", required=True, help="stands in the log, and in the next packs")
        parser.add_argument("--by", required=True, help="who decided it")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not settings.SEALER_DIR:
            raise CommandError("MSPLEX_SEALER_DIR is missing: what was signed last stands there.")
        last = heads_in(Path(settings.SEALER_DIR)).get(options["tenant"])
        try:
            epoch = open_epoch(
                options["tenant"], reason=options["reason"], last=last, host=installation(), by=system(options["by"])
            )
        except DomainError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Epoch {epoch.number} is open. The sealer goes on with it within seconds.")
