"""Process: broker. Makes the keys, because it has the key ring; the broker's own processes move the credentials."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.keyring import Purpose
from connectors.registry import Mode, Order, State, keys
from connectors.upkeep import progress, retry_unreadable, start_rekey
from msplex.guard import check_process
from tenants.process import Process, current_process

LONGEST = timedelta(days=90)


class Command(BaseCommand):
    help = "Move every credential to a new key (rewrap, reencrypt), or say how far that is (status)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=[*(mode.value for mode in Mode), "status", "retry"])
        parser.add_argument("--reason", default="", help="why; it stands in every tenant's log")
        parser.add_argument("--by", default="operator", help="who asks for it")
        parser.add_argument(
            "--emergency",
            action="store_true",
            help="a key may have leaked: credentials are to be changed at the vendors",
        )
        parser.add_argument("--deadline", type=_moment, help="until when, as 2026-12-01 or 2026-12-01T12:00+00:00")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if current_process() is not Process.BROKER:
            raise CommandError("MSPLEX_PROCESS must be broker: run it where the key ring is.")
        check_process()
        if options["what"] == "retry":
            self.stdout.write(f"{retry_unreadable()} unreadable credentials will be tried again.")
        elif options["what"] != "status":
            self._start(options)
        self._say()

    def _start(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        deadline = options["deadline"]
        if not options["reason"].strip():
            raise CommandError("Say why: --reason.")
        if options["emergency"] != bool(deadline):
            raise CommandError("An emergency needs --deadline, and only an emergency has one.")
        if options["emergency"] and options["what"] != Mode.REENCRYPT.value:
            raise CommandError("A leaked key is not mended by wrapping the same data keys anew: use reencrypt.")
        if deadline and not now < deadline < now + LONGEST:
            raise CommandError(f"--deadline must be in the next {LONGEST.days} days.")
        order = Order(Mode(options["what"]), options["reason"][:500], options["by"][:200], deadline)
        self.stdout.write(
            f"Key {start_rekey(order, now).id} is in use. Within a minute the broker begins to move rows."
        )

    def _say(self) -> None:
        done, left, unreadable = progress()
        self.stdout.write(f"Under the key of now: {done}. Left: {left}. Unreadable, set aside: {unreadable}.")
        for row in keys(Purpose.STORAGE, State.ACTIVE, State.DECRYPT_ONLY):
            since = row.created_at.isoformat(timespec="minutes")
            self.stdout.write(f"  {row.id}  {row.state}  since {since}  {row.mode}: {row.reason}")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
