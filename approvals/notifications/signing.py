"""The secret of the tenant's webhook, and the signature under what is sent: Standard Webhooks, as connectors.hook_proof
checks it where others call us.

The secret is derived from the context key, which portal (to show it once) and worker (to sign) have anyway; it is
stored nowhere, so a copy of the database forges nothing, and the worker is given no key more. When the context key is
replaced, the secret is another: nothing is signed with it until somebody has taken over the new one (`mark_of`).
"""

import base64
import hashlib
import hmac
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"msplex/approvals/webhook/v1"
MARK = "whsec_"


def secret_of(tenant: UUID, generation: str) -> bytes:
    """32 bytes."""
    key = HKDF(hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(settings.CONTEXT_KEY)
    return hmac.digest(key, tenant.bytes + UUID(hex=generation).bytes, hashlib.sha256)


def shown(secret: bytes) -> str:
    """For who sets the receiver up, once."""
    return MARK + base64.b64encode(secret).decode()


def mark_of(secret: bytes) -> str:
    """Tells one secret from another, and says nothing of either."""
    return hashlib.sha256(PURPOSE + secret).hexdigest()[:16]


def signed_headers(secret: bytes, message: str, at: datetime, body: bytes) -> dict[str, str]:
    """The time is part of what is signed, so that who has caught one cannot send it again later."""
    moment = str(int(at.timestamp()))
    signature = hmac.digest(secret, f"{message}.{moment}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
