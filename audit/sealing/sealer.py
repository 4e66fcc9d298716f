"""The loop: whatever is committed is in a signed checkpoint a moment later, tenant by tenant."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit.bell import AWAITED
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.log_keys import installation
from audit.packs.signer import Signer
from audit.sealing.gaps import Gaps
from audit.sealing.log import SEALER, Log, Pass, seal, sign_and_publish
from audit.sealing.memory import Memory
from audit.sealing.statements import Contradiction
from audit.services import record
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 0.05  # who waits rings; what nobody waits for is sealed with the next that somebody does
SPACING_SECONDS = 0.006  # between two passes: what comes meanwhile shares the next one
RETRY_SECONDS = 1.0
STUCK_SECONDS = 10.0  # between two looks at a log that must not be signed
MOST_EVENTS = 4096  # of a pass
TOGETHER = 16  # tenants
MOST_LOGS = 10_000  # kept in memory
NEVER = 1 << 30  # uses after which any other statement would be prepared too
SOLE = 7305808894127434
_WAITING = (
    "SELECT tenant_id, array_agg(event_id ORDER BY event_id) FROM (SELECT tenant_id, event_id FROM border.audit_pending"
    " WHERE refused IS NULL AND tenant_id <> ALL (%s) ORDER BY event_id LIMIT %s) waiting GROUP BY tenant_id"
)


class NotAlone(SystemExit):
    """Another sealer works on this database."""


@dataclass
class Sealer:
    """`keys`: all of them sign; usually one."""

    memory: Memory
    keys: Sequence[Ed25519PrivateKey]
    host: str
    logs: dict[UUID, Log] = field(default_factory=dict)
    stuck: dict[UUID, float] = field(default_factory=dict)
    said: set[UUID] = field(default_factory=set)
    listens: Any = None  # the connection on which it is rung for

    def __post_init__(self) -> None:
        self.gaps = Gaps(self.memory)

    @classmethod
    def of_settings(cls, keys: Sequence[Ed25519PrivateKey]) -> "Sealer":
        return cls(Memory(Path(settings.SEALER_DIR)), keys, installation())

    def run(self, ended: Callable[[], bool]) -> None:
        """Until it is told to end. The database may go away and come back meanwhile."""
        alone, last_look = False, 0.0
        while not ended():
            try:
                alone = alone or be_alone()
                began = time.monotonic()
                if self.once() < MOST_EVENTS:
                    self._rest(began)
                self.gaps.look()
                if time.monotonic() - last_look > RETRY_SECONDS:
                    last_look = time.monotonic()
                    self.gaps.forget_old()
                    self.sign_packs()
            except (DatabaseError, AuditUnavailable) as error:
                logger.warning("the database does not answer: %s", error)
                alone = False
                connection.close()
                time.sleep(RETRY_SECONDS)

    def catch_up(self) -> None:
        """With what has piled up; what comes meanwhile is for the loop."""
        while self.once() >= MOST_EVENTS:
            pass

    def once(self) -> int:
        """One pass over everything that waits; how many events it was about."""
        waiting = _prepared(_WAITING, [self._left_alone(), MOST_EVENTS]).fetchall()
        return sum(self._some(waiting[at : at + TOGETHER]) for at in range(0, len(waiting), TOGETHER))

    def _some(self, waiting: Sequence[tuple[UUID, list[UUID]]]) -> int:
        """Few tenants at once, so that none waits long for the others; one sync of the memory for all of them."""
        passes = [done for tenant, events in waiting if (done := self._seal(tenant, events))]
        if not passes:
            return 0
        streams = self.gaps.take(passes)
        self.memory.keep([(done.log.tenant, done.log.head) for done in passes], streams.items())
        for done in passes:
            self._publish(done)
        return sum(len(done.events) for done in passes)

    def _rest(self, began: float) -> None:
        """Until somebody waits for a seal, or until it is time to look anyway. `began`: when the last pass did."""
        time.sleep(max(0.0, began + SPACING_SECONDS - time.monotonic()))
        raw = connection.connection
        with connection.wrap_database_errors:
            if self.listens is not raw:
                raw.execute(f"LISTEN {AWAITED}")
                self.listens = raw
            # To its end before anything else is asked: the connection is locked while one is waited for.
            list(raw.notifies(timeout=PAUSE_SECONDS, stop_after=1))

    def sign_packs(self) -> int:
        """What the worker has built and cannot sign itself. Whatever is wrong with a pack, the log goes on."""
        try:
            return Signer.of_settings(self.keys).once()
        except (DatabaseError, AuditUnavailable):
            raise
        except Exception:  # an edge: sealing must not end because of a pack
            logger.exception("alert: packs could not be signed")
            return 0

    def _left_alone(self) -> list[UUID]:
        now = time.monotonic()
        self.stuck = {tenant: until for tenant, until in self.stuck.items() if until > now}
        return list(self.stuck)

    def _seal(self, tenant: UUID, events: Sequence[UUID]) -> Pass | None:
        known, remembered = self.logs.pop(tenant, None), self.memory.heads.get(tenant)
        try:
            done = seal(tenant, events, known=known, remembered=remembered, host=self.host)
        except Contradiction as error:
            self._refuse(tenant, str(error))
            return None
        except Exception:  # one tenant's log must not keep the others from being sealed
            logger.exception("the log of tenant %s could not be sealed", tenant)
            self.stuck[tenant] = time.monotonic() + RETRY_SECONDS
            return None
        if done:
            self._know(done.log)
        return done

    def _know(self, log: Log) -> None:
        self.logs[log.tenant] = log
        while len(self.logs) > MOST_LOGS:
            self.logs.pop(next(iter(self.logs)))

    def _publish(self, done: Pass) -> None:
        try:
            sign_and_publish(done, self.keys)
        except DatabaseError:  # it is committed and remembered: the next pass signs it
            logger.exception("a checkpoint of tenant %s could not be published", done.log.tenant)
            self.stuck[done.log.tenant] = time.monotonic() + RETRY_SECONDS

    def _refuse(self, tenant: UUID, why: str) -> None:
        """Nothing of this tenant is signed until a person has opened a new epoch, or mended the database."""
        logger.error("alert: the log of tenant %s is not sealed: %s", tenant, why)
        self.stuck[tenant] = time.monotonic() + STUCK_SECONDS
        if tenant in self.said:
            return
        self.said.add(tenant)
        with acting_for(Context(tenant)), transaction.atomic():
            record(EventKind.AUDIT_LOG_REFUSED, actor=SEALER, result="refused", body={"alert": True, "what": why})


def _prepared(statement: str, values: list[Any]) -> Any:
    """For what is asked a hundred times a second: Django's cursors have the server plan it anew each time."""
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = raw.prepare_threshold or NEVER  # without one, as Django leaves it, none is prepared at all
    with connection.wrap_database_errors:
        return raw.execute(statement, values, prepare=True)


def be_alone(wait_seconds: float = 5.0) -> bool:
    """Held by this connection; NotAlone after a while."""
    deadline = time.monotonic() + wait_seconds
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [SOLE])
            if cursor.fetchone() == (True,):
                return True
        if time.monotonic() > deadline:
            raise NotAlone("Another sealer works on this database; there can be one only.")
        time.sleep(0.1)
