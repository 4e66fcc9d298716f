"""The keys of access tokens as files hold them: PEM after PEM, the newest last."""

import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


def split_keys(text: str) -> list[str]:
    return [f"{pem}\n" for pem in _PEM.findall(text)]


def new_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_halves(private: list[str]) -> str:
    keys = (load_pem_private_key(pem.encode(), None).public_key() for pem in private)
    return "".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys)
