"""A vendor's HTTP that answers what it was told to and remembers what it was asked, for what a stand-in cannot show."""

import json
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import Connection
from connectors.network import Answer, Request
from connectors.secret import SecretBundle


@dataclass
class Recorder:
    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0)


def replies(value: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())


def connection(settings: dict[str, Any], secret: dict[str, str], *answers: Answer) -> tuple[Connection, Recorder]:
    recorder = Recorder(list(answers))
    return Connection(settings, SecretBundle(secret), recorder, "credential-1"), recorder  # type: ignore[arg-type]
