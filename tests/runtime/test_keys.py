import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

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


def test_lost_public_half_follows_from_the_private_one(home: Home) -> None:
    keys = Keys(home.keys)
    keys.make()
    keys.file("MSPLEX_INTAKE_PUBLIC_KEY").unlink()

    keys.make()

    private = base64.b64decode(keys.file("MSPLEX_INTAKE_PRIVATE_KEY").read_bytes())
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    assert base64.b64decode(keys.file("MSPLEX_INTAKE_PUBLIC_KEY").read_bytes()) == public
