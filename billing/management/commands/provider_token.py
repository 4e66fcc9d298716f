"""Process: command, with the provider's connection. For programs that take the provider's export of usage."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.provider_tokens import make_token, revoke_tokens
from tenants.errors import DomainError


class Command(BaseCommand):
    help = "Make a token for a program that reads /provider/v1/usage/export, and print it once; or revoke it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the program")
        parser.add_argument("--revoke", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        try:
            said = f"{revoke_tokens(options['name'])} revoked" if options["revoke"] else make_token(options["name"])
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(said)
