"""The envelope, the wrapper and the last look at an answer."""

import base64
import copy
import dataclasses
import hmac
import json
import pickle
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from connectors.canary import leaks
from connectors.sealing import Place, SealBroken, Sealed, context, digest, reencrypted, rewrapped, seal, unseal
from connectors.secret import Secret, SecretBundle
from connectors.suites import HYBRID, X25519, SuiteSpec, UnwrappingKey

PLACE = Place(uuid4(), uuid4(), 1)


def new_key(spec: SuiteSpec = X25519) -> UnwrappingKey:
    return UnwrappingKey(spec.id, spec.generate())


KEY = new_key()


@pytest.mark.parametrize("spec", [X25519, HYBRID], ids=["x25519", "hybrid"])
def test_what_is_sealed_opens_in_its_place(spec: SuiteSpec) -> None:
    key = new_key(spec)
    sealed = seal(b"the secret", key=key.wrapping, place=PLACE).to_bytes()

    assert unseal(Sealed.from_bytes(sealed), key=key, place=PLACE) == b"the secret"
    assert b"the secret" not in sealed


@pytest.mark.parametrize("spec", [X25519, HYBRID], ids=["x25519", "hybrid"])
def test_a_data_key_moves_to_another_key_of_either_suite_and_opens_in_its_place_only(spec: SuiteSpec) -> None:
    other, elsewhere = new_key(spec), dataclasses.replace(PLACE, tenant=uuid4())
    first = seal(b"the secret", key=KEY.wrapping, place=PLACE)

    moved = rewrapped(first, key=KEY, to=other.wrapping, place=PLACE)
    renewed = reencrypted(first, key=KEY, to=other.wrapping, place=PLACE)

    assert unseal(moved, key=other, place=PLACE) == unseal(renewed, key=other, place=PLACE) == b"the secret"
    assert moved.payload == first.payload
    assert renewed.payload != first.payload
    for change in rewrapped, reencrypted:
        with pytest.raises(SealBroken):
            change(first, key=KEY, to=other.wrapping, place=elsewhere)


def test_an_opener_of_the_standard_opens_it() -> None:
    """RFC 9180 by hand: what is stored depends on no library of ours."""
    raw = X25519.generate()
    key = UnwrappingKey(X25519.id, raw)
    sealed = seal(b"the secret", key=key.wrapping, place=PLACE)
    info = context("dek", *PLACE.parts(), key.id.encode(), key.suite.encode())

    data_key = open_by_hand(raw, sealed.wrapped_key, info)

    assert AESGCM(data_key).decrypt(sealed.payload[:12], sealed.payload[12:], context("payload", *PLACE.parts())) == (
        b"the secret"
    )


def open_by_hand(raw: bytes, wrapped: bytes, info: bytes) -> bytes:
    """Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    private = X25519PrivateKey.from_private_bytes(raw)
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    enc, sealed = wrapped[:32], wrapped[32:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    eae = extract(kem, b"", b"eae_prk", shared)
    secret = expand(kem, eae, b"shared_secret", enc + private.public_key().public_bytes_raw(), 32)
    schedule = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    root = extract(suite, secret, b"secret", b"")
    key, nonce = expand(suite, root, b"key", schedule, 32), expand(suite, root, b"base_nonce", schedule, 12)
    return AESGCM(key).decrypt(nonce, sealed, b"")


def extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def expand(suite: bytes, root: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(root, labelled + b"\x01", "sha256")[:length]


def test_a_key_shows_and_serialises_nothing_of_itself() -> None:
    raw = X25519.generate()
    key = UnwrappingKey(X25519.id, raw)

    assert raw.hex() not in repr(key)
    assert repr(raw) not in f"{key!r} {key} {[key]}"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(PLACE, tenant=uuid4()),
        dataclasses.replace(PLACE, credential=uuid4()),
        dataclasses.replace(PLACE, version=2),
    ],
    ids=["tenant", "credential", "version"],
)
def test_what_is_sealed_opens_nowhere_else(elsewhere: Place) -> None:
    sealed = seal(b"the secret", key=KEY.wrapping, place=PLACE)

    with pytest.raises(SealBroken):
        unseal(sealed, key=KEY, place=elsewhere)


def test_another_key_does_not_open_it() -> None:
    sealed = seal(b"the secret", key=KEY.wrapping, place=PLACE)

    with pytest.raises(SealBroken):
        unseal(sealed, key=new_key(), place=PLACE)


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, change: int) -> None:
    raw = bytearray(seal(b"x" * 40, key=KEY.wrapping, place=PLACE).to_bytes())
    raw[position % len(raw)] ^= change

    with pytest.raises(SealBroken):
        unseal(Sealed.from_bytes(bytes(raw)), key=KEY, place=PLACE)


def test_each_version_has_its_own_data_key() -> None:
    first, second = (seal(b"same", key=KEY.wrapping, place=PLACE).to_bytes() for _ in range(2))

    assert digest(first) != digest(second)


def test_a_failure_to_open_carries_no_key_in_its_frames() -> None:
    sealed = Sealed(payload=b"x" * 40, wrapped_key=b"y" * 80)

    with pytest.raises(SealBroken) as caught:
        unseal(sealed, key=KEY, place=PLACE)

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
