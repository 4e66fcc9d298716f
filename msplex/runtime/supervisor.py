"""Starts an installation in order, keeps it running, stops it in the opposite order."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msplex.runtime.children import Child, lines_of
from msplex.runtime.console import Console
from msplex.runtime.home import ROOT, Home, Unusable
from msplex.runtime.keys import Keys
from msplex.runtime.processes import Start, end, marked_with, send_to_group, start, wait_until
from msplex.runtime.programs import MAIL, MANAGE, Installation, Ports, Program
from msplex.runtime.servers import Servers

_READY_SECONDS = 120
# Celery needs two seconds to let its children go.
_STAGE_SECONDS = 2.6
_CHILDREN_SECONDS = 3.8
_SERVER_SECONDS = 0.5
_PASSED_ON = (
    "MSPLEX_PUBLIC_URL",
    "MSPLEX_GATEWAY_URL",
    "MSPLEX_HOST",
    "MSPLEX_LOG_FORMAT",
    "MSPLEX_LOG_LEVEL",
    "MSPLEX_METRICS_PORT",
    "MSPLEX_NOTIFY_NETWORKS",
    *MAIL,
    "MSPLEX_TRUSTED_ORIGINS",
    "MSPLEX_VENDOR_NETWORKS",
    "MSPLEX_WEBAUTHN_RP_ID",
)


@dataclass
class Supervisor:
    """`environment`: what the person who starts it may say (docs/running.md)."""

    home: Home
    console: Console
    environment: Mapping[str, str]
    ports: Ports
    throwaway: bool = False
    children: list[Child] = field(default_factory=list, init=False)
    servers: Servers = field(init=False)

    def __post_init__(self) -> None:
        self.servers = Servers(self.home, self.environment, throwaway=self.throwaway)

    def start(self) -> Installation:
        installation = self.prepare()
        self.start_programs(installation.programs())
        return installation

    def prepare(self) -> Installation:
        """The servers, with a database that is made and up to date."""
        installation = self.start_servers()
        self.run_once("database", *_preparation(installation))
        return installation

    def start_servers(self) -> Installation:
        end(marked_with(self.home.marker), gently=signal.SIGTERM, seconds=5)
        mode = self.environment.get("MSPLEX_ENV", "demo")
        check_ports(self.ports if mode == "demo" else Ports(self.ports.portal, self.ports.gateway, 0))
        keys = Keys(self.home.keys)
        keys.make()
        admin_url, redis_url = self.servers.start()
        overrides = {name: self.environment[name] for name in _PASSED_ON if name in self.environment}
        return Installation(self.home, keys, admin_url, redis_url, self.ports, mode, overrides)

    def start_programs(self, programs: Iterable[Program]) -> None:
        for program in programs:
            child = Child(program, self.console)
            self.children.append(child)
            child.start()
        if not wait_until(self._settled, _READY_SECONDS, pause=0.1):
            late = ", ".join(child.program.name for child in self.children if not child.is_ready())
            raise Unusable(f"Not ready after {_READY_SECONDS} s: {late}.")

    def run_once(self, tag: str, command: list[str], environment: Mapping[str, str], *, plain: bool = False) -> None:
        """Run a command to its end. Plain: its lines are for copying, so no tag stands before them."""
        process = start(Start(command, environment, ROOT, subprocess.PIPE))
        try:
            for line in lines_of(process):
                self.console.say(line) if plain else self.console.line(tag, line)
            code = process.wait()
        finally:  # interrupted: it must not go on while what it works with is stopped
            if process.poll() is None:
                send_to_group(process.pid, signal.SIGKILL)
                process.wait()
        if code != 0:
            raise Unusable(f"{tag}: the step ended with exit code {code}; its lines stand above.")

    def watch(self) -> None:
        """Until interrupted."""
        while True:
            for child in self.children:
                child.revive()
            time.sleep(0.2)

    def stop(self) -> None:
        deadline = time.monotonic() + _CHILDREN_SECONDS
        for stage in sorted({child.program.stage for child in self.children}, reverse=True):
            leaving = [child for child in self.children if child.program.stage == stage]
            for child in leaving:
                child.ask_to_stop()
            left = max(0.0, min(_STAGE_SECONDS, deadline - time.monotonic()))
            wait_until(lambda: not any(child.is_running for child in leaving), left)  # noqa: B023 - used at once
            for child in leaving:
                child.kill()
        self.children.clear()
        self.servers.stop(_SERVER_SECONDS)

    def _settled(self) -> bool:
        for child in self.children:
            if not child.is_running:
                raise Unusable(f"{child.program.name} ended with {child.ending()}; its lines stand above.")
        return all(child.is_ready() for child in self.children)


def _preparation(installation: Installation) -> tuple[list[str], dict[str, str]]:
    arguments = [installation.database, str(installation.keys.passwords)]
    return [sys.executable, "-m", "msplex.runtime.prepare", *arguments], installation.setup_environment()


def seed_demo(supervisor: Supervisor, installation: Installation) -> None:
    """Made on the first start; later ones only make the command say again where to go and with what."""
    arguments = ["--credentials-file", str(installation.credentials), "--vendor-url", installation.vendor_url]
    command = [*MANAGE, "seed_demo", *arguments]
    supervisor.run_once("demo", command, installation.command_environment(), plain=True)


def check_ports(ports: Ports) -> None:
    taken = {name: port for name, port in vars(ports).items() if port and not _is_free(port)}
    if taken:
        names = " and ".join(f"{port} ({name})" for name, port in taken.items())
        raise Unusable(f"Port {names} is in use by another program. Choose a base port: make run MSPLEX_PORT=8100")


def free_ports() -> Ports:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in sockets))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stopping_orderly(supervisor: Supervisor) -> Iterator[None]:
    """Whatever ends the block, the processes stop in order; a second Ctrl-C does not interrupt that."""
    for ending in _ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    try:
        yield
    finally:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        supervisor.stop()
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_DFL if ending is not signal.SIGINT else signal.default_int_handler)
