"""An embedded Valkey: on a unix socket only, keeping what it was told (queues survive a restart)."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import redis

from msplex.runtime.binaries import valkey_server
from msplex.runtime.home import Home, Unusable
from msplex.runtime.processes import Start, end, send, start, wait_until, working_in

_START_SECONDS = 60


@dataclass
class Valkey:
    home: Home
    throwaway: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        return self.home.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        data = self.home.for_server("valkey")
        end(working_in(data), gently=signal.SIGTERM, seconds=10)
        self.socket.unlink(missing_ok=True)
        options = {"port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": str(data), "save": ""}
        # noeviction: under pressure a queue must refuse a message, not lose one.
        options |= {"appendonly": "no" if self.throwaway else "yes", "maxmemory-policy": "noeviction"}
        if self.throwaway:
            options["databases"] = "1024"  # two for each worker of a test run
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        log = self.home.log("valkey")
        environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}
        with log.open("ab") as output:
            command = [str(valkey_server(self.home)), *words]
            self._process = start(Start(command, environment, data, output, account=self.home.account))
        process = self._process
        ready = wait_until(lambda: process.poll() is not None or self._answers(), _START_SECONDS)
        if not ready or process.poll() is not None:
            self.stop()
            raise Unusable(f"Valkey did not start; {log} says why.")

    def stop(self, seconds: float = 10) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        send(process.pid, signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def crash(self) -> None:
        """An immediate end, as of a power cut."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
