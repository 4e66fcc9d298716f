from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.packs.maker import MemoryLog, pem_of


@pytest.fixture
def acme() -> UUID:
    return uuid4()


@pytest.fixture
def log(acme: UUID) -> MemoryLog:
    """Thirty events of three customers and of none, acme's every third."""
    made = MemoryLog()
    others = [uuid4(), None]
    for number in range(30):
        made.add(acme if number % 3 == 0 else others[number % 2])
    return made


@pytest.fixture
def pubkey(log: MemoryLog, tmp_path: Path) -> Path:
    path = tmp_path / "log.pub"
    path.write_text(pem_of(log.key))
    return path


@pytest.fixture
def room(scratch_database, tmp_path):
    from tests.audit.sealed import Room  # noqa: PLC0415 - this file is read before Django is set up

    return Room(scratch_database, tmp_path / "sealer")
