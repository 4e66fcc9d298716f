"""The last look at an answer before it leaves the broker: does it contain the credential, in any usual spelling?

`make sweep` looks for the same spellings everywhere else (msplex.runtime.sweep).
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from connectors.secret import Secret

# Shorter values would match ordinary words; the settings form demands more than this.
MINIMUM_LENGTH = 8


def leaks(value: Any, secrets: Iterable[Secret]) -> bool:
    """True if any text anywhere in the value, keys included, contains one of the secrets, plain or encoded."""
    found: list[str] = []
    _collect(value, found)
    texts = "\0".join(found).casefold()
    haystack = "\0".join([texts, json.dumps(value, ensure_ascii=True).casefold(), _unspaced(texts)])
    return any(needle in haystack for secret in secrets for needle in spellings(secret.reveal()))


def _collect(value: Any, found: list[str]) -> None:
    """Every text in it, whatever it is nested in; numbers as they are written."""
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            found.append(str(key))
            _collect(item, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found)
    elif value is not None:
        found.append(str(value))


def _unspaced(texts: str) -> str:
    """Base64 and hex are often broken over lines or grouped with colons. NUL, between the texts, is no space."""
    return "".join(texts.split()).replace(":", "")


def spellings(secret: bytes) -> set[str]:
    """Compared without regard to case, so that one spelling stands for hex and percent codes of either case."""
    if len(secret) < MINIMUM_LENGTH:
        return set()
    text = secret.decode()
    spelled = {
        text,
        json.dumps(text)[1:-1],
        json.dumps(json.dumps(text))[3:-3],
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        "".join(f"%{byte:02x}" for byte in secret),
        binascii.hexlify(secret).decode(),
        text[::-1],
        *_base64_cores(secret),
    }
    return {spelling.casefold() for spelling in spelled}


def _base64_cores(secret: bytes) -> Iterator[str]:
    """What does not depend on the text before and after the secret, at each of the three offsets it may stand at."""
    for offset in range(3):
        padded = b"\0" * offset + secret
        usable = len(padded) - len(padded) % 3
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded[:usable]).decode()[(0, 2, 3)[offset] :]
