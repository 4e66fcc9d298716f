"""An embedded PostgreSQL 18: on a unix socket, with a password, crash-safe."""

import contextlib
import os
import secrets
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from msplex.runtime.binaries import postgres_directory
from msplex.runtime.home import Home, Unusable, write_private
from msplex.runtime.processes import PROC, Start, end, is_alive, send, start, wait_until, working_in

MAJOR = "18"
ADMINISTRATOR = "msplex"
_SETTINGS = {"listen_addresses": "", "unix_socket_permissions": "0700", "timezone": "UTC", "log_timezone": "UTC"}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "10min"}
# Recovery after a crash may take this long on a slow disk; a server that is alive is waited for.
_START_SECONDS = 120
_STOP_SECONDS = 20


@dataclass
class Postgres:
    home: Home
    connections: int = 200
    throwaway: bool = False
    log: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.log = self.home.log("postgres")

    @property
    def data(self) -> Path:
        return self.home.servers / "postgres"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """The administrator's."""
        socket = quote(str(self.home.sockets), safe="/")
        return f"postgres://{ADMINISTRATOR}:{self._password()}@/postgres?host={socket}"

    def start(self) -> None:
        self._clear_leftovers()
        binaries = postgres_directory(self.home)
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster(binaries)
        elif (version := (self.data / "PG_VERSION").read_text().strip()) != MAJOR:
            raise Unusable(f"{self.data} belongs to PostgreSQL {version}, this is {MAJOR}. Move it away or upgrade it.")
        settings = _SETTINGS | {"unix_socket_directories": str(self.home.sockets)}
        settings |= {"max_connections": str(self.connections)} | (_THROWAWAY if self.throwaway else {})
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as output:
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
            how = Start(
                [str(binaries / "postgres"), "-D", str(self.data), *options],
                _environment(), self.home.servers, output, signal.SIGINT, self.home.account,
            )  # fmt: skip
            self._process = start(how)
        self._wait_until_ready(self._process)

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        send(process.pid, signal.SIGINT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            # Immediate shutdown: recovery at the next start, nothing that was committed is lost.
            send(process.pid, signal.SIGQUIT)
            process.wait()

    def crash(self) -> None:
        """An immediate stop, as of a power cut: the next start recovers."""
        process, self._process = self._process, None
        if process:
            send(process.pid, signal.SIGQUIT)
            process.wait()

    def _password(self) -> str:
        path = self.home.keys / "postgres-administrator.password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    def _make_cluster(self, binaries: Path) -> None:
        """Complete or absent: a cluster half made when the power went would look like one."""
        draft = self.home.for_server("postgres.new")
        secret = self.home.servers / "postgres.password"
        write_private(secret, self._password())
        self.home.account.own(secret)
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            draft,
            "-U",
            ADMINISTRATOR,
            "-E",
            "UTF8",
            "-A",
            "scram-sha-256",
        ]
        command += [f"--pwfile={secret}", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]
        command += ["--no-sync"] if self.throwaway else []
        try:
            self._as_server(command)
        finally:
            secret.unlink()
        draft.rename(self.data)

    def _as_server(self, command: list[str | Path]) -> None:
        with self.log.open("ab") as output:
            words = [str(word) for word in command]
            process = start(Start(words, _environment(), self.home.servers, output, account=self.home.account))
            if process.wait() != 0:
                raise Unusable(f"PostgreSQL could not make its data directory; {self.log} says why.")

    def _clear_leftovers(self) -> None:
        """After kill -9 or a crash of the machine: end a server that still has the data, then drop its stale pid file.

        PostgreSQL itself refuses to start when the recorded pid is alive, even if it is somebody else's by now.
        """
        pids = working_in(self.data)
        with contextlib.suppress(OSError, ValueError):
            recorded = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            if recorded in pids or (not PROC.exists() and _is_postmaster(recorded, self.data)):
                end([recorded], gently=signal.SIGINT, seconds=_STOP_SECONDS)
        end(filter(is_alive, pids), gently=signal.SIGQUIT, seconds=5)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for name in ("postgres.new", "postgres.password"):
            _remove(self.home.servers / name)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        url = self.url
        if wait_until(lambda: process.poll() is not None or _answers(url), _START_SECONDS):
            if process.poll() is None:
                return
        else:
            self.stop()
        raise Unusable(f"PostgreSQL did not start; the end of {self.log}:\n{_tail(self.log)}")


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _environment() -> dict[str, str]:
    # From scratch: a locale or PGDATA of whoever starts us must not shape the cluster.
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def _is_postmaster(pid: int, data: Path) -> bool:
    """Where there is no /proc (macOS)."""
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in listing.stdout and f"-D {data} " in listing.stdout


def _remove(path: Path) -> None:
    for inner in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
        inner.rmdir() if inner.is_dir() and not inner.is_symlink() else inner.unlink()
    with contextlib.suppress(FileNotFoundError):
        path.rmdir() if path.is_dir() else path.unlink()


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
