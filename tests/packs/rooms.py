"""A real log to make packs of: the sealer in the test's hands (tests/audit/sealed.py), and the worker's steps."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.models import Pack
from audit.packs import cutting, files, work
from audit.packs import format as fmt
from audit.packs.keys import key_page
from audit.services import record
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.audit.sealed import Room
from tests.factories import TenantWorld

MAY = datetime(2026, 12, 1, 0, 2, tzinfo=UTC)


def person(email: str, id_: UUID) -> Actor:
    return Actor(ActorKind.USER, id_, email)


@dataclass
class Desk:
    """One tenant of a room. Everything is done by the process that does it."""

    room: Room
    world: TenantWorld

    @property
    def customer(self) -> Customer:
        return self.world.customers[0]

    def happen(self, customer: Customer | None, *, by: Actor, times: int = 1, **more) -> None:
        with self.room.enter("app"), self.world.acting():
            for _ in range(times):
                kind = more.get("kind", EventKind.ROLE_BOUND)
                record(kind, actor=by, customer_id=customer and customer.pk, body=more.get("body"))

    def seal(self) -> None:
        with self.room.enter("sealer"):
            sealer = self.room.sealer()
            while sealer.once():
                pass
            sealer.sign_packs()

    def cut(self, now: datetime = MAY) -> list[UUID]:
        with self.worker():
            return cutting.cut_due(now)

    def ask(self, **more) -> Pack:
        with self.room.enter("app"), self.world.acting():
            by = person("dana@client.example", UUID(int=1))
            return cutting.request_pack(
                self.customer, more.pop("month", cutting.month_of(datetime.now(UTC))), by=by, **more
            )

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        with self.room.enter("worker"), acting_for(Context(self.world.id)):
            yield

    def build(self, pack_id: UUID, monkeypatch, *, again: bool = False) -> Pack:
        """The sealer has its turn whenever the builder waits."""
        monkeypatch.setattr(work.time, "sleep", lambda _: self.seal())
        with self.worker():
            work.build(pack_id, again=again)
        return self.pack(pack_id)

    def pack(self, pack_id: UUID) -> Pack:
        with self.room.enter("worker"), self.world.acting():
            return Pack.objects.get(id=pack_id)

    def zip(self, pack: Pack, folder: Path, name: str = "") -> Path:
        with self.room.enter("app"), self.world.acting():
            made = files.download(pack, "zip", "acme")
        path = folder / (name or made.name)
        path.write_bytes(made.content)
        return path

    def files(self, pack: Pack) -> dict[str, bytes]:
        with self.room.enter("app"), self.world.acting():
            return files.all_of(pack)

    def pubkey(self, folder: Path) -> Path:
        path = folder / "keys.json"
        with self.room.enter("app"):
            path.write_bytes(key_page())
        return path


def lines_of(files: dict[str, bytes], month: str) -> list[dict]:
    return list(fmt.read_lines(files[f"{month}.jsonl.gz"]))
