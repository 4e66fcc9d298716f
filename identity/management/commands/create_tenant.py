"""Process: command, with the provider's connection. Only whoever runs the deployment can run it."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from identity.services import Provisioned, provision_tenant
from tenants.errors import DomainError


class Command(BaseCommand):
    help = "Make a tenant with its first owner, and print what the owner needs to sign in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workspace", help="short name that people type to sign in, such as northwind")
        parser.add_argument("--name", help="the MSP's name; by default the workspace")
        parser.add_argument("--owner-email", required=True)
        parser.add_argument("--owner-name", default="")
        parser.add_argument("--ask-password", action="store_true", help="type the owner's password; else one is made")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        password = getpass.getpass("Owner's password: ") if options["ask_password"] else ""
        try:
            made = provision_tenant(
                name=options["name"] or options["workspace"],
                workspace=options["workspace"],
                owner_email=options["owner_email"],
                owner_name=options["owner_name"],
                password=password,
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self._print(made, shown=not password)

    def _print(self, made: Provisioned, *, shown: bool) -> None:
        self.stdout.write(f"workspace  {made.tenant.workspace}")
        self.stdout.write(f"e-mail     {made.owner.email}")
        self.stdout.write(f"password   {made.password if shown else '(as typed)'}")
        self.stdout.write(f"TOTP       {made.enrolment.secret}")
        self.stdout.write(f"           {made.enrolment.url}")
