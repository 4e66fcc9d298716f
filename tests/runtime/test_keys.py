import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from msplex.runtime.home import Home
from msplex.runtime.keys import Keys


def test_keys_are_private_and_made_once(home: Home) -> None:
    keys = Keys(home.keys)
    keys.make()
    first = {path.name: path.read_bytes() for path in home.keys.iterdir()}

    keys.make()

    assert {path.name: path.read_bytes() for path in home.keys.iterdir()} == first
    assert {oct(path.stat().st_mode & 0o777) for path in home.keys.iterdir()} == {"0o600"}
    assert oct(home.keys.stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize(
    ("private", "public"),
    [
        ("MSPLEX_TOKEN_SIGNING_KEY", "MSPLEX_TOKEN_VERIFY_KEY"),
        ("MSPLEX_BROKER_SIGNING_KEY", "MSPLEX_BROKER_VERIFY_KEY"),
    ],
)
def test_lost_public_half_follows_from_the_private_one(home: Home, private: str, public: str) -> None:
    keys = Keys(home.keys)
    keys.make()
    keys.file(public).unlink()

    keys.make()

    signing = load_pem_private_key(keys.file(private).read_bytes(), None)
    verify = load_pem_public_key(keys.file(public).read_bytes())
    assert isinstance(signing, Ed25519PrivateKey)
    assert signing.public_key() == verify
