"""A reply can be read by the process that waits for it, for the call it answers, and by nobody else."""

import json
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from msplex import replies

REPLY = {"ok": True, "structured": {"tickets": ["MARK-11-ALDER"]}}
TENANT, CALL = uuid4(), uuid4()


@pytest.fixture
def key() -> X25519PrivateKey:
    return X25519PrivateKey.generate()


@pytest.fixture
def sealed(key: X25519PrivateKey) -> bytes:
    return replies.seal(REPLY, public_key=key.public_key().public_bytes_raw(), tenant=TENANT, call=CALL)


def test_the_waiting_process_reads_it(key, sealed):
    assert replies.address(sealed) == CALL
    assert replies.unseal(sealed, private_key=key, tenant=TENANT, call=CALL) == REPLY


def test_it_is_not_in_the_clear(sealed):
    assert b"MARK" not in sealed
    assert json.dumps(REPLY).encode() not in sealed


@pytest.mark.parametrize("wrong", ["key", "tenant", "call", "bytes"])
def test_anything_else_does_not(key, sealed, wrong):
    other = {
        "key": {"private_key": X25519PrivateKey.generate()},
        "tenant": {"tenant": uuid4()},
        "call": {"call": uuid4()},
        "bytes": {},
    }[wrong]
    message = sealed[:-1] + bytes([sealed[-1] ^ 1]) if wrong == "bytes" else sealed

    with pytest.raises(replies.ReplyBroken):
        replies.unseal(message, **{"private_key": key, "tenant": TENANT, "call": CALL, **other})
