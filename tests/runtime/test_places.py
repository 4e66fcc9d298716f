import os
from pathlib import Path

import pytest

from msplex.runtime import places
from msplex.runtime.home import Home, Unusable, make_private
from msplex.runtime.places import throwaway
from msplex.runtime.valkey import Valkey


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "standing_home", lambda: Home(tmp_path / ".msplex"))


def test_throwaway_home_leaves_nothing(tmp_path: Path) -> None:
    with throwaway("test") as home:
        (home.keys / "secret").touch()
        servers = home.servers

    assert list((tmp_path / ".msplex" / "throwaway").iterdir()) == []
    assert not servers.exists()


def test_throwaway_home_whose_owner_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    parent = tmp_path / ".msplex" / "throwaway"
    parent.mkdir(parents=True, mode=0o711)
    (parent / "test-abandoned.lock").touch()
    abandoned = Valkey(Home(parent / "test-abandoned"), throwaway=True)
    abandoned.start()
    process = abandoned._process

    with throwaway("test"):
        assert [path.name for path in parent.glob("test-abandoned*")] == []

    assert process
    process.wait(5)


def test_directory_that_another_user_prepared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "prepared").symlink_to(tmp_path / "real")

    with pytest.raises(Unusable, match="prepared"):
        make_private(tmp_path / "prepared", None)


def test_socket_directory_is_always_short_enough(tmp_path: Path) -> None:
    home = Home(tmp_path / ("deep" * 25))

    assert len(os.fsencode(home.sockets)) <= 90
    home.remove()
