"""Keys and assertions of automation, good ones and those that an attacker would make."""

import base64
import dataclasses
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.http import HttpResponse
from django.test import Client as Browser
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from identity.assertions import TYPE
from identity.services import add_key
from tenants.ids import uuid7
from tests.identity.factories import SETUP, Machine

Private = Ed25519PrivateKey | EllipticCurvePrivateKey


class _Anything(JWSRegistry):
    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_registry = _Anything(strict_check_header=False)


def new_key(algorithm: str = "EdDSA") -> Private:
    return Ed25519PrivateKey.generate() if algorithm == "EdDSA" else generate_private_key(SECP256R1())


def public_key(key: Private | None = None) -> str:
    """As PEM; of a new pair unless one is given."""
    return (key or new_key()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclasses.dataclass
class Signer:
    """A service account and the private half of a key of it."""

    machine: Machine
    key: Private
    algorithm: str = "EdDSA"
    kid: str = ""

    @classmethod
    def registered(cls, machine: Machine, algorithm: str = "EdDSA", key: Private | None = None) -> "Signer":
        key = key or new_key(algorithm)
        with machine.world.acting():
            row = add_key(machine.account, public_key=public_key(key), by=SETUP)
        return cls(machine, key, algorithm, row.kid)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """None takes a claim away; whole numbers of times are seconds from now."""
        now = int(time.time())
        good = {
            "iss": self.machine.client_id,
            "sub": self.machine.client_id,
            "aud": settings.PUBLIC_URL,
            "jti": uuid7().hex,
            "iat": now,
            "exp": now + 60,
        }
        moved = {
            name: now + value if name in {"iat", "exp", "nbf"} and type(value) is int else value
            for name, value in changes.items()
        }
        return {name: value for name, value in (good | moved).items() if value is not None}

    def assertion(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        kind = OKPKey if isinstance(self.key, Ed25519PrivateKey) else ECKey
        named = {"kid": self.kid} if self.kid else {}
        return jwt.encode(
            {"alg": self.algorithm, **named, **(header or {})},
            self.claims(**changes),
            kind.import_key(self.key),
            registry=_registry,
        )


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Whatever the libraries would not make."""
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)])


def present(assertion: str, **form: str) -> HttpResponse:
    fields = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": assertion}
    return Browser().post("/oauth/token", fields | form)
