"""Process: sealer."""

import faulthandler
import signal
import time
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.log_keys import KeyUnusable, private_keys
from audit.sealing.handover import HandOverRefused, signing_keys
from audit.sealing.sealer import Sealer, be_alone
from msplex.guard import check_process
from msplex.logs.ready import say_ready
from msplex.metrics.serving import serve_metrics
from msplex.pulse import PULSE
from tenants.process import Process, current_process

# Without seals every change of every tenant is refused: a round that takes so long is not worth waiting for.
HUNG_SECONDS = 60.0
SAY_SECONDS = 1.0  # each time starts a thread that watches


class Command(BaseCommand):
    help = "Seal the audit log until told to end: the sealer process. There can be one for a database."
    # `make check` runs Django's checks; here they would load the portal, as in msplex.celery.
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if current_process() is not Process.SEALER:
            raise CommandError("MSPLEX_PROCESS must be sealer.")
        check_process()
        ended = Event()
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: ended.set())
        serve_metrics()
        be_alone()
        try:
            sealer = Sealer.of_settings(private_keys())
            sealer.keys = signing_keys(sealer)
        except (KeyUnusable, HandOverRefused) as error:
            raise CommandError(str(error)) from None
        sealer.catch_up()
        say_ready(self, "The sealer works.")
        alive = Alive()
        sealer.run(lambda: alive.still() and ended.is_set())


class Alive:
    """Unless it is said again and again, the process says where it stands and ends, and is started anew."""

    def __init__(self) -> None:
        self._said = -SAY_SECONDS

    def still(self) -> bool:
        PULSE.feel()
        now = time.monotonic()
        if now - self._said >= SAY_SECONDS:
            self._said = now
            faulthandler.dump_traceback_later(HUNG_SECONDS, exit=True)
        return True
