"""The ntfy server of a test: the real one, found on PATH or named in MSPLEX_NTFY, because no package index has it.

Nobody may read or write anything, but what the tests' commands allow, as docs/notifications.md tells a deployment to.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port
from tests.receivers.mail_server import wait_for_port

PASSWORD = "open sesame"
NOT_HERE = "no ntfy server here: put `ntfy` on PATH, or name it in MSPLEX_NTFY"


@dataclass
class NtfyServer:
    program: str
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [self.program, "serve", "--config", str(self._config())]
            self.process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log)
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def command(self, *words: str) -> str:
        command = [self.program, words[0], "--config", str(self._config()), *words[1:]]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=True, timeout=30)
        return done.stdout + done.stderr

    def add_reader(self, name: str, topic: str) -> None:
        self.command("user", "add", name)
        self.command("access", name, topic, "read-only")

    def add_publisher(self, name: str, topics: str) -> str:
        """A token of one who may write to these topics, and nothing else."""
        self.command("user", "add", name)
        self.command("access", name, topics, "write-only")
        (token,) = re.findall(r"\btk_[a-z0-9]{29}\b", self.command("token", "add", name))
        return token

    def messages(self, topic: str, reader: str = "") -> list[dict[str, Any]] | int:
        """What a phone would get of it; or the status of the refusal."""
        request = urllib.request.Request(f"{self.url}/{topic}/json?poll=1")
        if reader:
            given = base64.b64encode(f"{reader}:{PASSWORD}".encode()).decode()
            request.add_header("Authorization", f"Basic {given}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return [json.loads(line) for line in answer.read().splitlines() if line]
        except urllib.error.HTTPError as error:
            return error.code

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NTFY_PASSWORD": PASSWORD}

    def _config(self) -> Path:
        file = self.folder / "server.yml"
        settings = {
            "base-url": self.url,
            "listen-http": f"127.0.0.1:{self.port}",
            "cache-file": str(self.folder / "cache.db"),
            "auth-file": str(self.folder / "auth.db"),
            "auth-default-access": "deny-all",
        }
        file.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()))
        return file


@pytest.fixture
def ntfy_server(tmp_path: Path) -> Iterator[NtfyServer]:
    """Not started yet."""
    program = os.environ.get("MSPLEX_NTFY") or shutil.which("ntfy")
    if not program:
        pytest.skip(NOT_HERE)
    server = NtfyServer(program, tmp_path, free_port())
    yield server
    server.stop()
