"""The threads of a broker process that run calls, and the eye that is kept on them."""

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

import redis
from django.db import connection

from msplex import execution
from msplex.dispatch.line import NAME, Place, Stand
from msplex.dispatch.whereabouts import name_of_this_process
from msplex.pulse import PULSE
from msplex.replies import Reply
from tenants.bound import bound
from tenants.isolation.context import acting_for
from tenants.isolation.tasks import TaskRefused
from tenants.tracing import span

logger = logging.getLogger(__name__)
THREADS = 16
WAIT_SECONDS = 1.0
LOOK_SECONDS = 1.0
SHORT_SECONDS = 0.05
RETRY_SECONDS = 0.5
LONGEST_SECONDS = 120.0  # a call is bounded by the limits of the database and of its vendor; this is for what is not
MOST_MEMORY = 400 * 2**20  # bytes; then the process ends after its calls, and is started anew
STUCK = 70  # exit code


@dataclass
class Crew:
    stand: Stand = field(default_factory=lambda: Stand(name_of_this_process()))
    ending: threading.Event = field(default_factory=threading.Event)
    _inherited: "SimpleQueue[Place]" = field(default_factory=SimpleQueue)
    _began: dict[int, float] = field(default_factory=dict)  # thread -> when its call began

    def start(self) -> None:
        """Ready for calls when this returns."""
        self.stand.begin()
        self._threads = [threading.Thread(target=self._work, name=f"calls-{n}") for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def watch(self) -> None:
        """Until it is told to end, and every call that was begun has ended."""
        while any(thread.is_alive() for thread in self._threads):
            try:
                self.stand.say_alive()
                self._inherit()
            except redis.RedisError as error:
                logger.warning("the queue does not answer: %s", error)
            self._look()
            PULSE.feel()
            self._pause()
        PULSE.rest()
        self.stand.leave()
        self.stand.hang_up()

    def _pause(self) -> None:
        """Shorter when what remains is to see the threads end."""
        if self.ending.wait(LOOK_SECONDS):
            time.sleep(SHORT_SECONDS)

    def _inherit(self) -> None:
        if self.ending.is_set():
            return
        for place in self.stand.taken_over():
            logger.error("alert: a broker died with a call in its hands, which is taken over")
            self._inherited.put(place)

    def _look(self) -> None:
        now = time.monotonic()
        if any(now - began > LONGEST_SECONDS for began in list(self._began.values())):
            logger.error("alert: a call has been running for more than %d s: the process ends", LONGEST_SECONDS)
            os._exit(STUCK)  # a thread cannot be stopped; another process says what is not known of its calls
        if not self.ending.is_set() and _memory() > MOST_MEMORY:
            logger.warning("the process has grown to %d MiB, and ends when its calls have", _memory() // 2**20)
            self.ending.set()

    def _work(self) -> None:
        ended: Place | None = None
        reply: Reply | None = None
        while ended or not self.ending.is_set():
            inherited = self._next_inherited()
            block = None if inherited or self.ending.is_set() else WAIT_SECONDS
            try:
                place = self.stand.next(ended=ended, reply=reply, block=block) or inherited
            except redis.RedisError as error:
                self._without_queue(error, inherited)
                continue
            ended, reply = place, self._run(place) if place else None
        self.stand.hang_up()

    def _next_inherited(self) -> Place | None:
        if self.ending.is_set():
            return None  # whoever comes next inherits it from us
        try:
            return self._inherited.get_nowait()
        except Empty:
            return None

    def _without_queue(self, error: redis.RedisError, inherited: Place | None) -> None:
        """It may come back empty, so what it needs is made again."""
        logger.warning("the queue does not answer: %s", error)
        if inherited:
            self._inherited.put(inherited)
        time.sleep(RETRY_SECONDS)
        with suppress(redis.RedisError):
            self.stand.begin()

    def _run(self, place: Place) -> Reply | None:
        """Whatever happens, the thread goes on: a call that is left running is said to be lost by a sweep."""
        self._began[threading.get_ident()] = time.monotonic()
        try:
            call, context = place.read()
            traced = span("run call", "CONSUMER", parent=place.trace, call=call, tenant=context.tenant)
            with acting_for(context), bound(call=call), traced:
                return execution.run(call, again=place.again)
        except TaskRefused as refused:
            logger.error("alert: %s", refused)  # noqa: TRY400 - it says all
        except Exception:
            logger.exception("alert: %s failed", NAME)
        finally:
            self._began.pop(threading.get_ident(), None)
            connection.close()  # what the ORM has used goes back to the pool
        return None


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
