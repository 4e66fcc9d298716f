"""RFC 8032's own examples, and that the verifier never says yes where OpenSSL says no."""

import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.verifier import msplex_verify as verifier
from tests.packs.maker import pem_of

# RFC 8032, 7.1: seed, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def openssl_says(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS)
def test_the_examples_of_rfc_8032(vector):
    seed, public, message, signature = map(bytes.fromhex, vector)

    assert verifier.ed25519_public(seed) == public
    assert verifier.ed25519_sign(seed, message) == signature
    assert verifier.ed25519_verify(public, signature, message)


@settings(max_examples=60, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_what_either_signs_the_other_accepts(seed, message):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()

    assert verifier.ed25519_public(seed) == public
    assert verifier.ed25519_sign(seed, message) == key.sign(message)
    assert verifier.ed25519_verify(public, key.sign(message), message)


@settings(max_examples=150, deadline=None)
@given(where=st.integers(0, 767), message=st.binary(max_size=40))
def test_no_flipped_bit_of_key_or_signature_is_accepted(where, message):
    raw = bytearray(PUBLIC + KEY.sign(message))
    raw[where // 8] ^= 1 << where % 8
    public, signature = bytes(raw[:32]), bytes(raw[32:])

    assert not verifier.ed25519_verify(public, signature, message)


@settings(max_examples=150, deadline=None)
@given(public=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64))
def test_nonsense_is_refused_and_never_crashes(public, signature):
    assert not verifier.ed25519_verify(public, signature, b"message")


def test_a_signature_with_the_order_added_is_refused():
    signature = KEY.sign(b"message")
    raised = int.from_bytes(signature[32:], "little") + verifier.L

    assert not verifier.ed25519_verify(PUBLIC, signature[:32] + raised.to_bytes(32, "little"), b"message")


# Points of small order, and points in a second spelling (y not below the prime; x = 0 with its sign set).
ODD_POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("point", ODD_POINTS)
def test_a_key_that_fits_many_messages_is_refused(point):
    """With a key of small order and S = 0 the equation holds for one message in eight, or for all."""
    public = bytes.fromhex(point)

    for commitment in ODD_POINTS:
        for message in (b"a", b"b", b"c", b"d"):
            assert not verifier.ed25519_verify(public, bytes.fromhex(commitment) + bytes(32), message)


@settings(max_examples=100, deadline=None)
@given(
    public=st.sampled_from([PUBLIC, *map(bytes.fromhex, ODD_POINTS)]),
    commitment=st.sampled_from([KEY.sign(b"m")[:32], *map(bytes.fromhex, ODD_POINTS)]),
    s=st.sampled_from([KEY.sign(b"m")[32:], bytes(32), verifier.L.to_bytes(32, "little")]),
)
def test_never_more_lenient_than_openssl(public, commitment, s):
    signature = commitment + s

    assert not verifier.ed25519_verify(public, signature, b"m") or openssl_says(public, signature, b"m")


def test_the_openssl_command_agrees(tmp_path):
    (tmp_path / "pub.pem").write_text(pem_of(KEY))
    (tmp_path / "sums").write_bytes(b"message")
    (tmp_path / "sig").write_bytes(verifier.ed25519_sign(bytes(range(32)), b"message"))
    command = "openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in sums -sigfile sig"

    assert subprocess.run(command.split(), cwd=tmp_path, check=False, capture_output=True).returncode == 0
    (tmp_path / "sums").write_bytes(b"massage")
    assert subprocess.run(command.split(), cwd=tmp_path, check=False, capture_output=True).returncode == 1
