"""The keys of access tokens: their public halves, as files hold them."""

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def public_halves(private: list[str]) -> str:
    keys = (load_pem_private_key(pem.encode(), None).public_key() for pem in private)
    return "".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys)
