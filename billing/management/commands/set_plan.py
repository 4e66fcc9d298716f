"""Process: command, for whoever runs the deployment: the terms that were agreed with a tenant, and its subscription."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit.actors import system
from billing.plans import change_subscription, publish_plan
from billing.terms import ConnectorTerms, PlanTerms
from tenants.directory import tenant_of
from tenants.errors import DomainError, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.models import Subscription

PROVIDER = system("provider's command")


class Command(BaseCommand):
    help = "Publish a plan's terms for a workspace, from a JSON file, and subscribe it to them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workspace")
        parser.add_argument("terms", type=Path, help='such as {"plan": "team", "connectors": {"halopsa": {...}}}')
        parser.add_argument("--status", choices=Subscription.Status.values, default="active")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        tenant = tenant_of("workspace", options["workspace"])
        if tenant is None:
            raise CommandError("There is no such active workspace.")
        try:
            terms = json.loads(options["terms"].read_text())
            with acting_for(Context(tenant)), transaction.atomic():
                made = change_subscription(
                    _published(terms), Subscription.Status(options["status"]), reason=options["reason"], by=PROVIDER
                )
        except DomainError as error:
            raise CommandError(error.message) from error
        except (OSError, ValueError, TypeError) as error:
            raise CommandError(f"{options['terms']} cannot be read: {error}") from error
        self.stdout.write(f"{made.plan_version}, {made.get_status_display()}, change {made.version}")


def _published(terms: dict[str, Any]) -> Any:
    if not isinstance(terms, dict) or not {"plan", "connectors"} <= set(terms):
        raise Invalid("Say plan and connectors, and if need be the rest of docs/billing.md.")
    connectors = {key: ConnectorTerms.from_json(told) for key, told in terms.pop("connectors").items()}
    return publish_plan(terms.pop("plan"), connectors, terms=PlanTerms.from_json(terms), by=PROVIDER)
