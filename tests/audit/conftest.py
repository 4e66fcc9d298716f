import contextlib

import pytest


@pytest.fixture
def room(scratch_database, tmp_path):
    """With a stream that begins here: what it has in other databases would be missed in this one."""
    from audit import streams  # noqa: PLC0415 - this file is read before Django is set up
    from tests.audit.sealed import Room  # noqa: PLC0415

    with contextlib.suppress(AttributeError):
        del streams._mine.held
    streams._process.free.clear()
    return Room(scratch_database, tmp_path / "sealer")
