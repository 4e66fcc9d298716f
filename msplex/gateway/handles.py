"""Handles that clients give back, such as a cursor: sealed for one caller and one purpose, and mostly good for an hour.

A handle is a name, not a right: whoever uses it is authenticated and decided about anew. The key follows from the
context key, so every process of the gateway reads what another one has sealed.
"""

import base64
import json
import secrets
import time
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from msplex.gateway.callers import Caller

GOOD_SECONDS = 3600
NONCE_BYTES = 12
MOST_CHARACTERS = 2048
REQUEST_STATE = b"msplex/request-state/v1"
_HANDLES = b"msplex/handles/v1"


class HandleRefused(Exception):
    """Not one of ours, not this caller's, for something else, or too old: one answer for all of them."""


def seal(value: Any, *, purpose: str, caller: Caller, good_seconds: int = GOOD_SECONDS) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    content = json.dumps([int(time.time()) + good_seconds, value], separators=(",", ":")).encode()
    sealed = _cipher().encrypt(nonce, content, bound_to(purpose, caller))
    return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")


def unseal(handle: str, *, purpose: str, caller: Caller) -> Any:
    if len(handle) > MOST_CHARACTERS:
        raise HandleRefused
    try:
        raw = base64.urlsafe_b64decode(handle.encode() + b"=" * (-len(handle) % 4))
        content = _cipher().decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to(purpose, caller))
    except (ValueError, InvalidTag):
        raise HandleRefused from None
    good_until, value = json.loads(content)
    if good_until < time.time():
        raise HandleRefused
    return value


def bound_to(purpose: str, caller: Caller) -> bytes:
    """What is sealed for somebody is somebody's: tenant, principal, agent session and the customers of the token."""
    claims = caller.claims
    customers = None if claims.customers is None else sorted(map(str, claims.customers))
    names = [purpose, str(claims.tenant_id), str(claims.principal_id), str(claims.agent_session_id), customers]
    return json.dumps(names).encode()


@lru_cache(maxsize=1)
def _cipher() -> AESGCM:
    return AESGCM(derived_key(_HANDLES))


def derived_key(label: bytes) -> bytes:
    """32 bytes that every process of this deployment with the context key knows, and nobody else."""
    return HKDF(SHA256(), 32, None, label).derive(settings.CONTEXT_KEY)
