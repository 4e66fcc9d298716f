"""Make the roles, schemas and context key that the application expects. Run before `migrate --database=migrate`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tenants.isolation import setup
from tenants.process import Process


class Command(BaseCommand):
    help = "Create or update database roles, schemas and the context key, as the administrator of the server."
    requires_system_checks = ()
    process = Process.COMMAND  # needs the administrator's URL, which no running process has

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database-name", default="msplex")
        parser.add_argument(
            "--passwords-dir",
            type=Path,
            required=True,
            help="one file per role, made if missing",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not settings.ADMIN_DATABASE_URL:
            raise CommandError("Set MSPLEX_ADMIN_DATABASE_URL to the administrator's connection.")
        if len(settings.CONTEXT_KEY) != 32:  # noqa: PLR2004 - HMAC-SHA256's own length
            raise CommandError("Set MSPLEX_CONTEXT_KEY to 32 random bytes in base64.")
        notes = setup.set_up(
            settings.ADMIN_DATABASE_URL,
            name=options["database_name"],
            key=settings.CONTEXT_KEY,
            key_id=settings.CONTEXT_KEY_ID,
            passwords=setup.passwords_in(options["passwords_dir"]),
        )
        for note in notes:
            self.stderr.write(self.style.WARNING(note))
        self.stdout.write(f"Database {options['database_name']} is ready to migrate.")
