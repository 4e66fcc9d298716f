"""Process: command. Writes the two key files; reads nothing of a tenant."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from identity.token_keys import public_halves
from tenants.key_files import new_key, replace_file, split_keys

SIGNING, VERIFY = "MSPLEX_TOKEN_SIGNING_KEY_FILE", "MSPLEX_TOKEN_VERIFY_KEY_FILE"


class Command(BaseCommand):
    help = "Add a new key for access tokens, or with --retire drop all but the newest. Restart gateway, then portal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--signing", default=os.environ.get(SIGNING), help="the file with the private keys")
        parser.add_argument("--verify", default=os.environ.get(VERIFY), help="the file with the public keys")
        parser.add_argument("--retire", action="store_true", help="an hour after the change: drop the older keys")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        signing, verify = options["signing"], options["verify"]
        if not signing or not verify:
            raise CommandError(f"Name both files: --signing and --verify, or {SIGNING} and {VERIFY}.")
        keys = split_keys(Path(signing).read_text())
        keys = keys[-1:] if options["retire"] else [*keys, new_key()]
        # First what is believed, then what is signed with: no moment signs with a key that is not believed.
        for path, content in ((verify, public_halves(keys)), (signing, "".join(keys))):
            replace_file(Path(path), content)
        self.stdout.write(f"{len(keys)} keys, the newest signs. Restart the gateway, then the portal.")
