"""Process: broker."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from msplex.broker import prepare
from msplex.collector import spare_what_stays
from msplex.dispatch.crew import Crew
from msplex.guard import check_process
from msplex.logs.ready import say_ready
from msplex.metrics.serving import serve_metrics
from msplex.tracing import begin_tracing
from tenants.process import Process, current_process


class Command(BaseCommand):
    help = "Run the calls that the gateway hands over, until told to end: a broker process. There can be several."
    # `make check` runs Django's checks; here they would load the portal, as in msplex.celery.
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if current_process() is not Process.BROKER:
            raise CommandError("MSPLEX_PROCESS must be broker.")
        check_process()
        prepare()
        serve_metrics()
        begin_tracing()
        spare_what_stays()
        crew = Crew()
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: crew.ending.set())
        crew.start()
        say_ready(self, "The broker takes calls.")
        crew.watch()
