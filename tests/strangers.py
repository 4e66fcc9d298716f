"""What is compared when an object of others must look like one that does not exist."""

import re
from typing import Any
from uuid import UUID

from django.http import HttpResponse

_CLOCK = re.compile(r"\b\d\d:\d\d:\d\d\b")
_TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")  # Django's against forged forms, new in every answer


def seen(response: HttpResponse, *asked: UUID) -> dict[str, Any]:
    """Status, body, headers and cookies, without the ids that were asked for and the time of day."""
    body = response.content.decode()
    headers = {name: _CLOCK.sub("<time>", _masked(value, asked)) for name, value in response.headers.items()}
    cookies = {name: _CLOCK.sub("<time>", _TOKEN.sub("<token>", str(each))) for name, each in response.cookies.items()}
    length = headers.pop("Content-Length", None) is not None
    return {
        "status": response.status_code,
        "body": _masked(body, asked),
        "headers": headers | {"Content-Length": length},
        "cookies": cookies,
    }


def _masked(text: str, asked: tuple[UUID, ...]) -> str:
    for each in asked:
        text = text.replace(str(each), "<id>")
    return _TOKEN.sub("<token>", text)
