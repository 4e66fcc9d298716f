"""Who a host agent is: each request carries a signature of its key (RFC 9421) over method, address and content.

One form is taken and no other, so that there is nothing to choose for whoever sends one: the three components in this
order, and these parameters. `nonce` is a number that goes up with every request, so none can be sent twice.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.compact import verifies

FRESH = 60  # seconds between the agent's clock and ours
_INPUT = re.compile(
    r'held=(?P<params>\("@method" "@target-uri" "content-digest"\);created=(?P<created>[0-9]{1,12})'
    r';nonce="(?P<nonce>[0-9]{1,19})";keyid="(?P<keyid>[A-Za-z0-9_]{1,64})";alg="ed25519")'
)
_SIGNATURE = re.compile(r"held=:(?P<signature>[A-Za-z0-9+/=]{88}):")
LARGEST_COUNTER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request says of itself; nothing of it is believed before `is_by`."""

    client_id: str
    created: int
    counter: int
    signature: bytes
    signed: bytes
    whole: bool  # the content is what was signed

    def is_by(self, key: bytes) -> bool:
        return self.whole and verifies(Ed25519PublicKey.from_public_bytes(key), self.signature, self.signed)


def proof_of(method: str, uri: str, headers: Mapping[str, str], body: bytes) -> Proof | None:
    """None: there is no signature of the form that is taken."""
    found = _INPUT.fullmatch(headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if not found or not signature or int(found["nonce"]) > LARGEST_COUNTER:
        return None
    try:
        raw = base64.b64decode(signature["signature"], validate=True)
    except binascii.Error:
        return None
    digest = headers.get("content-digest", "")
    signed = base_of(method, uri, digest, found["params"])
    whole = digest == digest_of(body)
    return Proof(found["keyid"], int(found["created"]), int(found["nonce"]), raw, signed, whole)


def base_of(method: str, uri: str, digest: str, params: str) -> bytes:
    """The signature base (RFC 9421, 2.5)."""
    lines = (f'"@method": {method}', f'"@target-uri": {uri}', f'"content-digest": {digest}')
    return "\n".join((*lines, f'"@signature-params": {params}')).encode()


def digest_of(body: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
