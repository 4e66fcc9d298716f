"""Where an installation keeps what it makes: keys, logs, and the data and sockets of embedded servers."""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from msplex.runtime.processes import Account

ROOT = Path(__file__).resolve().parent.parent.parent
PRIVATE, PASSABLE = 0o700, 0o711
# A unix socket's path has 107 bytes at most; the longest name below the directory is .s.PGSQL.5432.
_LONGEST_SOCKET_DIRECTORY = 90
_LARGEST_LOG = 10 * 2**20


class Unusable(SystemExit):
    """Something about this machine or checkout stands in the way; the message says what and what to do."""


def server_account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class Home:
    """`.msplex` of a checkout, or a throw-away one. Every directory in it is open to its owner only."""

    path: Path

    @property
    def marker(self) -> str:
        return f"MSPLEX_HOME={self.path}"

    @property
    def keys(self) -> Path:
        return self._mine("keys")

    def log(self, name: str) -> Path:
        """Where a server appends. Renewed at a start, so that years of starts do not fill the disk."""
        path = self._mine("logs") / f"{name}.log"
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        return path

    @property
    def state(self) -> Path:
        return self._mine("state")

    @property
    def keyring(self) -> Path:
        """The broker's. Where it matters: on another volume than the database, and in no backup of it."""
        return self._mine("keyring")

    @property
    def sealer(self) -> Path:
        """What the sealer remembers. Where it matters: on another volume than the database."""
        return self._mine("sealer")

    @cached_property
    def account(self) -> Account:
        return server_account()

    @cached_property
    def servers(self) -> Path:
        """Where the servers' account can work: here, unless it cannot get here (a checkout below /root)."""
        self.make()
        return self.path if passable(self.path, self.account) else self._outside(PASSABLE)

    @cached_property
    def sockets(self) -> Path:
        near = self.servers / "sockets"
        if len(os.fsencode(near)) <= _LONGEST_SOCKET_DIRECTORY:
            return self.for_server("sockets")
        return make_private(self._outside(PASSABLE) / "sockets", self.account)

    def make(self) -> None:
        # As root the servers run as somebody else, who must be able to pass through; what is inside stays private.
        make_private(self.path, None, mode=PRIVATE if self.account.is_ours else PASSABLE)

    def for_server(self, name: str) -> Path:
        return make_private(self.servers / name, self.account)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self._outside_path(), ignore_errors=True)

    def _mine(self, name: str) -> Path:
        self.make()
        return make_private(self.path / name, None)

    def _outside_path(self) -> Path:
        # Not /var/tmp where it can be helped: it is swept of old files, and a database consists of old files.
        base = Path("/var/lib" if os.geteuid() == 0 and os.access("/var/lib", os.W_OK) else "/var/tmp")  # noqa: S108
        name = hashlib.sha256(f"{os.geteuid()}:{self.path}".encode()).hexdigest()[:12]
        return base / f"msplex-{name}"

    def _outside(self, mode: int) -> Path:
        return make_private(self._outside_path(), None, mode=mode)


def make_private(path: Path, account: Account | None, *, mode: int = PRIVATE) -> Path:
    """Make the directory, or refuse one that somebody else could have prepared for us."""
    owner = account.uid if account else os.geteuid()
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode, parents=True)
        path.chmod(mode)
        if account:
            account.own(path)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
        user = pwd.getpwuid(owner).pw_name
        raise Unusable(
            f"{path} should be a directory of {user}. Was it made by another user? Remove it or move it away."
        )
    if stat.S_IMODE(status.st_mode) != mode:
        path.chmod(mode)
    return path


def passable(path: Path, account: Account) -> bool:
    """Can the account reach this path? Modes only: access lists are rare, and a wrong 'no' costs a copy."""
    return account.is_ours or all(_may_enter(parent, account) for parent in (path, *path.resolve().parents))


def _may_enter(directory: Path, account: Account) -> bool:
    status = directory.stat()
    return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == account.uid else stat.S_IXOTH))


def write_private(path: Path, content: str | bytes) -> None:
    """Readable by the owner from the first byte on, complete or absent."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
