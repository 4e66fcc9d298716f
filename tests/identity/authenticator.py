"""A passkey in software: what a phone or a security key does with the two ceremonies, and what it should not."""

import dataclasses
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclasses.dataclass
class Authenticator:
    origin: str = dataclasses.field(default_factory=lambda: settings.OTP_WEBAUTHN_ALLOWED_ORIGINS[0])
    rp_id: str = dataclasses.field(default_factory=lambda: settings.OTP_WEBAUTHN_RP_ID)
    verifies: bool = True
    counter: int = 0
    credential_id: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """navigator.credentials.create()"""
        self.handle = base64url_to_bytes(options["user"]["id"])
        credential = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.public()
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(ATTESTED) + credential}
        response = {
            "clientDataJSON": bytes_to_base64url(self._client_data("webauthn.create", options)),
            "attestationObject": bytes_to_base64url(cbor2.dumps(attestation)),
            "transports": ["internal"],
        }
        return self._answer(response)

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """navigator.credentials.get()"""
        self.counter += 1
        data, client = self._data(), self._client_data("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
            "userHandle": bytes_to_base64url(self.handle),
        }
        return self._answer(response)

    def public(self) -> bytes:
        """COSE."""
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return bytes(cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y}))

    def proof(self, challenge: bytes) -> dict[str, str]:
        """What is kept of a signature over this challenge."""
        response = self.sign({"challenge": bytes_to_base64url(challenge)})["response"]
        return {
            "authenticator_data": response["authenticatorData"], "client_data": response["clientDataJSON"],
            "public_key": bytes_to_base64url(self.public()), "signature": response["signature"],
        }  # fmt: skip

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        identifier = bytes_to_base64url(self.credential_id)
        return {"id": identifier, "rawId": identifier, "type": "public-key", "response": response}

    def _data(self, more: int = 0) -> bytes:
        flags = USER_PRESENT | more | (USER_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()
