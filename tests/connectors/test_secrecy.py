"""The envelope, the wrapper and the last look at an answer."""

import base64
import copy
import dataclasses
import json
import pickle
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from connectors.canary import leaks
from connectors.sealing import Place, SealBroken, Sealed, digest, key_id, public_part, seal, unseal
from connectors.secret import Secret, SecretBundle

KEY = X25519PrivateKey.generate().private_bytes_raw()
PLACE = Place(uuid4(), uuid4(), 1, key_id(public_part(KEY)))


def test_what_is_sealed_opens_in_its_place() -> None:
    sealed = seal(b"the secret", public_key=public_part(KEY), place=PLACE).to_bytes()

    assert unseal(Sealed.from_bytes(sealed), private_key=KEY, place=PLACE) == b"the secret"
    assert b"the secret" not in sealed


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(PLACE, tenant=uuid4()),
        dataclasses.replace(PLACE, credential=uuid4()),
        dataclasses.replace(PLACE, version=2),
        dataclasses.replace(PLACE, kek_id="another"),
    ],
    ids=["tenant", "credential", "version", "key id"],
)
def test_what_is_sealed_opens_nowhere_else(elsewhere: Place) -> None:
    sealed = seal(b"the secret", public_key=public_part(KEY), place=PLACE)

    with pytest.raises(SealBroken):
        unseal(sealed, private_key=KEY, place=elsewhere)


def test_another_key_does_not_open_it() -> None:
    sealed = seal(b"the secret", public_key=public_part(KEY), place=PLACE)

    with pytest.raises(SealBroken):
        unseal(sealed, private_key=X25519PrivateKey.generate().private_bytes_raw(), place=PLACE)


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, change: int) -> None:
    raw = bytearray(seal(b"x" * 40, public_key=public_part(KEY), place=PLACE).to_bytes())
    raw[position % len(raw)] ^= change

    with pytest.raises(SealBroken):
        unseal(Sealed.from_bytes(bytes(raw)), private_key=KEY, place=PLACE)


def test_each_version_has_its_own_data_key() -> None:
    first, second = (seal(b"same", public_key=public_part(KEY), place=PLACE).to_bytes() for _ in range(2))

    assert digest(first) != digest(second)


def test_a_failure_to_open_carries_no_key_in_its_frames() -> None:
    sealed = Sealed(payload=b"x" * 40, wrapped_key=b"y" * 80)

    with pytest.raises(SealBroken) as caught:
        unseal(sealed, private_key=KEY, place=PLACE)

    assert caught.value.__context__ is None


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hunter2-hunter2")
    bundle = SecretBundle({"client_secret": "hunter2-hunter2"})

    shown = [
        f"{secret}",
        f"{secret!r}",
        f"{secret:>20}",
        str([secret]),
        repr(bundle),
        str({"a": bundle}),
    ]

    assert not any("hunter2" in text for text in shown)
    for refuse in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            refuse(secret)
        with pytest.raises(TypeError):
            refuse(bundle)


def test_a_bundle_is_wiped_when_the_call_ends() -> None:
    with SecretBundle({"client_secret": "hunter2-hunter2"}) as bundle:
        held = bundle["client_secret"]
        assert held.reveal_text() == "hunter2-hunter2"

    assert not held
    assert list(bundle) == []


secrets_ = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=12, max_size=60)


@given(
    secrets_,
    st.text(max_size=30),
    st.text(max_size=30),
    st.sampled_from(["plain", "base64", "urlsafe", "hex", "json", "key"]),
)
def test_the_credential_is_found_in_every_spelling(secret: str, before: str, after: str, spelling: str) -> None:
    whole = f"{before}{secret}{after}".encode("utf-8", "replace")
    spelled = {
        "plain": f"{before}{secret}{after}",
        "base64": base64.b64encode(whole).decode(),
        "urlsafe": base64.urlsafe_b64encode(whole).decode().rstrip("="),
        "hex": whole.hex().upper(),
        "json": json.dumps({"inner": secret}),
        "key": secret,
    }[spelling]
    answer = {"rows": [{"text": spelled}]} if spelling != "key" else {"rows": [{spelled: 1}]}

    assert leaks(answer, [Secret("something-else-entirely"), Secret(secret)])


def test_ordinary_text_is_not_taken_for_the_credential() -> None:
    answer = {"rows": [{"id": 11001, "text": "Printer prints blank pages", "aGVsbG8gd29ybGQ=": None}]}

    assert not leaks(answer, [Secret("stub-northwind-9f2c41d7a86be035"), Secret("short")])
