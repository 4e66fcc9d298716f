"""A throw-away home per test; servers in it are real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from msplex.runtime.home import Home
from msplex.runtime.keys import Keys
from msplex.runtime.programs import Installation, Ports


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    home.remove()


@pytest.fixture
def installation(home: Home) -> Installation:
    keys = Keys(home.keys)
    keys.make()
    admin_url = "postgres://msplex:topsecret@/postgres?host=/run/sockets"
    return Installation(home, keys, admin_url, "unix:///run/sockets/valkey.sock", Ports())
