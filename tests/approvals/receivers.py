"""Servers that take messages, as the tests' own: an ntfy server by its publishing API, and a receiver of webhooks that
checks signatures by itself, without a line of ours."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers`: the statuses of the next answers, then 200. `meanwhile`: done with a message before it is answered."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def receiving(path: str = "") -> Iterator[Receiver]:
    it = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            it.got.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
            it.meanwhile()
            with contextlib.suppress(OSError):  # who has sent it may be dead
                self.send_response(it.answers.pop(0) if it.answers else 200)
                for name, value in it.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Tests look at what came, not at the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        it.url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        yield it
        server.shutdown()
        thread.join()


class StandardWebhooks:
    """A receiver's side of the specification, written from it: id, time within five minutes, any of the signatures,
    and what was there before is not done again."""

    def __init__(self, secret: str) -> None:
        self.key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        self.done: dict[str, bytes] = {}

    def takes(self, message: Received) -> bool:
        name, moment = message.headers["webhook-id"], message.headers["webhook-timestamp"]
        if abs(time.time() - int(moment)) > 300:
            return False
        wanted = hmac.new(self.key, f"{name}.{moment}.".encode() + message.body, hashlib.sha256).digest()
        given = [part.partition(",") for part in message.headers["webhook-signature"].split()]
        if not any(version == "v1" and base64.b64decode(value) == wanted for version, _, value in given):
            return False
        self.done.setdefault(name, message.body)
        return True
