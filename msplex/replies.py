"""A call's result on its way from the broker to the one gateway process that waits for it.

It is sealed to that process's own key (HPKE, RFC 9180), which the call's committed row names: whoever reads Redis sees
ciphertext, and whoever writes to it cannot choose another key.
"""

import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.conf import settings

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_LABEL = b"msplex/reply/v1"
logger = logging.getLogger(__name__)
KEEP_SECONDS = 120  # a reply that nobody fetched
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Reply:
    """Sealed, and where its reader looks for it."""

    channel: str
    sealed: bytes


class ReplyBroken(Exception):
    """Not sealed for this process and this call."""


def channel(name: str) -> str:
    return f"msplex:reply:{name}"


def _info(tenant: UUID, call: UUID) -> bytes:
    return _LABEL + tenant.bytes + call.bytes


def seal(reply: dict[str, Any], *, public_key: bytes, tenant: UUID, call: UUID) -> bytes:
    """The message for Redis: the call's id in clear, the rest sealed."""
    plain = json.dumps(reply, separators=(",", ":")).encode()
    key = X25519PublicKey.from_public_bytes(public_key)
    return call.bytes + _SUITE.encrypt(plain, key, info=_info(tenant, call))


def address(message: bytes) -> UUID:
    return UUID(bytes=message[:ID_BYTES])


def unseal(message: bytes, *, private_key: X25519PrivateKey, tenant: UUID, call: UUID) -> dict[str, Any]:
    try:
        plain = _SUITE.decrypt(message[ID_BYTES:], private_key, info=_info(tenant, call))
        reply: dict[str, Any] = json.loads(plain)
    except (InvalidTag, ValueError):
        raise ReplyBroken from None
    return reply


def push(pipe: Any, reply: Reply) -> None:
    """Among other commands of the same round trip."""
    pipe.rpush(reply.channel, reply.sealed)
    pipe.expire(reply.channel, KEEP_SECONDS)


def deliver(reply: Reply) -> None:
    """Without Redis nobody waits any more: what became of the call stands in its record."""
    try:
        with _client().pipeline(transaction=False) as pipe:
            push(pipe, reply)
            pipe.execute()
    except redis.RedisError:
        logger.warning("a call is finished, but its reply could not be delivered")


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
