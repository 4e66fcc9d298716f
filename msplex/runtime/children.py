"""One supervised process: started, watched for readiness, its lines passed on, restarted with growing patience."""

import http.client
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msplex.runtime.console import Console
from msplex.runtime.home import ROOT
from msplex.runtime.processes import Start, send, send_to_group, start
from msplex.runtime.programs import Program

_LONGEST_PAUSE = 30.0
# After this long without a crash, the next one counts as the first.
_STEADY_SECONDS = 60.0
_SERVER_ERROR = 500


@dataclass
class Child:
    program: Program
    console: Console
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    crashes: int = field(default=0, init=False)
    _announced: threading.Event = field(default_factory=threading.Event, init=False)
    _started: float = field(default=0.0, init=False)
    _retry_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        self._announced.clear()
        self._started, self._retry_at = time.monotonic(), 0.0
        how = Start(self.program.command, self.program.environment, ROOT, subprocess.PIPE)
        self.process = start(how)
        threading.Thread(target=self._pass_on, args=(self.process,), daemon=True).start()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        if not self.is_running:
            return False
        if self.program.ready_line:
            return self._announced.is_set()
        return not self.program.ready_address or _answers(self.program.ready_address)

    def revive(self) -> None:
        """Called again and again: starts a process that ended, later each time it ends soon."""
        if self.is_running:
            return
        now = time.monotonic()
        if not self._retry_at:
            self._note_crash(now)
        elif now >= self._retry_at:
            self.start()

    def ask_to_stop(self) -> None:
        if self.process and self.is_running:
            send(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Its whole session: a server's workers must not outlive it."""
        if self.process:
            send_to_group(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _note_crash(self, now: float) -> None:
        self.crashes = 1 if now - self._started > _STEADY_SECONDS else self.crashes + 1
        pause = min(2.0 ** (self.crashes - 1), _LONGEST_PAUSE)
        self.kill()
        self._retry_at = now + pause
        self.console.line(self.program.name, f"ended with {self.ending()}; starting it again in {pause:.0f} s")

    def ending(self) -> str:
        code = self.process.returncode if self.process else None
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        for line in lines_of(process):
            self.console.line(self.program.name, line)
            if self.program.ready_line and self.program.ready_line in line:
                self._announced.set()


def lines_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Until the process and all that inherited its output are gone."""
    if process.stdout:
        with process.stdout as output:
            for raw in output:
                yield raw.decode(errors="replace").rstrip()


def _answers(address: str) -> bool:
    """Any answer but a server error: readiness asks whether it works, not whether we may come in."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < _SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
