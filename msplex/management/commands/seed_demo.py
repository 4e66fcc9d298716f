"""Process: command. Makes the demo's tenants on the first start, or what an interrupted start left of them to make;
says on each where to go, and with what."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from msplex.demo import Draft, NotHealthy, code_of, make_demo
from msplex.runtime.home import write_private
from tenants.errors import DomainError
from tenants.process import Process


class Command(BaseCommand):
    help = "Make the demo's tenants, people and connections. The processes and the stub vendor must be running."
    process = Process.COMMAND

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--credentials-file", type=Path, required=True, help="written once, when all is made; mode 0600"
        )
        parser.add_argument("--vendor-url", required=True, help="address of the stub HaloPSA")
        parser.add_argument("--patience", type=float, default=30.0, help="seconds for the broker to find it healthy")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if settings.PRODUCTION:
            raise CommandError("The demo has known people in it; it is not made with MSPLEX_ENV=production.")
        path: Path = options["credentials_file"]
        draft = path.with_suffix(".draft")
        if not path.exists():
            demo = self._made(draft, vendor_url=options["vendor_url"], patience=options["patience"])
            write_private(path, json.dumps(demo, indent=2))
        draft.unlink(missing_ok=True)
        self.stdout.write("\n".join(lines(json.loads(path.read_text()))))

    def _made(self, draft: Path, **how: Any) -> dict[str, Any]:
        try:
            return make_demo(Draft.at(draft), **how)
        except (DomainError, NotHealthy) as error:
            raise CommandError(f"The demo is not complete: {error} The next start goes on from here.") from None


def lines(demo: dict[str, Any]) -> list[str]:
    """What a newcomer needs: addresses, people with their codes of now, and a first call as an agent."""
    said = [f"Portal   {settings.PUBLIC_URL}", f"MCP      {settings.GATEWAY_RESOURCE}", ""]
    for tenant in demo["tenants"]:
        said.append(f"Workspace {tenant['workspace']} ({tenant['name']}), password {tenant['people'][0]['password']}")
        said += [_person(**person) for person in tenant["people"]]
    return [*said, "", *agent_lines(demo)]


def _person(*, role: str, email: str, totp_secret: str, **_: str) -> str:
    return f"  {role:<17}{email:<30}TOTP {totp_secret}  now {code_of(totp_secret)}"


def agent_lines(demo: dict[str, Any]) -> list[str]:
    account = next(each for each in demo["tenants"][0]["service_accounts"] if len(each["customers"]) == 1)
    basic = f"{account['client_id']}:{account['client_secret']}"
    bought = f"curl -s -u '{basic}' -d grant_type=client_credentials {settings.PUBLIC_URL}/oauth/token"
    read = """python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])'"""
    inspector = f"npx @modelcontextprotocol/inspector --cli {settings.GATEWAY_RESOURCE} --transport http"
    call = '--header "Authorization: Bearer $TOKEN" --method tools/call --tool-name halopsa_list_tickets'
    return [
        f"An agent for one customer ({account['name']}). Its access token, good for 15 minutes:",
        f"  TOKEN=$({bought} | {read})",
        "Then a call with the Python client, or with the official inspector (Node 22):",
        f'  .venv/bin/python -m msplex.gateway.try_it {settings.GATEWAY_RESOURCE} "$TOKEN"',
        f"  {inspector} --protocol-era modern {call}",
    ]
