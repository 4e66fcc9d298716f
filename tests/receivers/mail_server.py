"""The mail server of a test: started, killed and started again; and Django's settings for it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, free_port
from tests.receivers.certificates import write_certificate
from tests.receivers.letter_box import PASSWORD, USER

WAIT = 30


@dataclass
class MailServer:
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.receivers.letter_box", str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env={"PATH": os.environ["PATH"]})
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(WAIT)

    def has_died(self) -> bool:
        assert self.process is not None
        return self.process.wait(WAIT) < 0

    def order(self, *words: str) -> None:
        (self.folder / "orders").write_text("\n".join(words))

    def url(self, password: str = PASSWORD.decode()) -> str:
        return f"smtp+tls://{USER.decode()}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}"

    @property
    def kept(self) -> list[dict[str, Any]]:
        """With `letter` as it came, and `message`: that, read."""
        file = self.folder / "kept"
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [row | {"message": message_from_string(row["letter"])} for row in rows]

    @property
    def messages(self) -> list[Message]:
        return [row["message"] for row in self.kept]


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"{process.args} ended"
            assert time.monotonic() < deadline, f"{process.args} does not answer"
            time.sleep(0.05)
        else:
            return


def use_mail_server(settings: object, url: str) -> None:
    from msplex.mail_server import email_settings  # noqa: PLC0415 -- not before the settings are there

    for name, value in email_settings(url, "MSPlex <msplex@acme.example>", production=True).items():
        setattr(settings, name, value)


@pytest.fixture
def mail_server(settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """Not started yet. Its certificate is trusted, and Django uses it with its name and password."""
    write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    server = MailServer(tmp_path, free_port())
    use_mail_server(settings, server.url())
    yield server
    server.stop()
