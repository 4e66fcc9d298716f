"""Process: command. Writes the sealer's key file; reads nothing of a tenant."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.log_keys import KeyUnusable, private_keys
from tenants.key_files import new_key, replace_file, split_keys

VARIABLE = "MSPLEX_LOG_SIGNING_KEY_FILE"


class Command(BaseCommand):
    help = "Add a new key that signs the audit log, or with --retire drop all but the newest. Restart the sealer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", default=os.environ.get(VARIABLE), help="the file with the private keys")
        parser.add_argument("--retire", action="store_true", help="once the sealer works with the new key")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not options["file"]:
            raise CommandError(f"Name the file: --file, or {VARIABLE}.")
        path = Path(options["file"])
        try:
            private_keys(path.read_text())
        except (OSError, KeyUnusable) as error:
            raise CommandError(str(error)) from None
        keys = split_keys(path.read_text())
        keys = keys[-1:] if options["retire"] else [*keys, new_key()]
        replace_file(path, "".join(keys))
        self.stdout.write(f"{len(keys)} keys, the newest signs. Restart the sealer: both sign the newest checkpoints.")
