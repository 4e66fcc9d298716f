"""What an ntfy server wants of whoever publishes there: a token, if it takes none from everybody.

Sealed in the request to the worker's public key, as credentials are to the broker's (connectors.sealing), together with
the server that it is for: the portal cannot open it, nor read it back, and it is sent to no other server than that.
"""

import json
import re
from uuid import UUID

from django.conf import settings
from django.db import transaction

from approvals.notifications.models import NotificationChannels, NtfyToken
from approvals.notifications.settings import locked_channels
from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from connectors.sealing import Place, SealBroken, Sealed, seal, unseal
from connectors.secret import Secret
from connectors.suites import X25519, UnwrappingKey, WrappingKey
from identity.permissions import Permission
from identity.services.authority import authorise
from tenants.errors import Invalid
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant

LONGEST_TOKEN = 200
_GOOD = re.compile(rf"[!-~]{{8,{LONGEST_TOKEN}}}")


@transaction.atomic
def set_ntfy_token(*, token: str, by: Actor) -> NotificationChannels:
    """Empty: none any more. What it was is in no answer, no log and no record."""
    authorise(by, Permission.TENANT_SETTINGS_MANAGE, None)
    found, token = locked_channels(), token.strip()
    if token and not found.ntfy_server:
        raise Invalid("Name the ntfy server first: a token is for one server.", field="token")
    if token and not _GOOD.fullmatch(token):
        raise Invalid(f"Enter the access token as ntfy shows it: 8 to {LONGEST_TOKEN} signs, no spaces.", field="token")
    found.ntfy_token_id = _sealed(token, found.ntfy_server).id if token else None
    found.save()
    body = {"ntfy_token": "set" if token else "removed", "ntfy_server": found.ntfy_server}
    record(EventKind.NOTIFICATION_CHANNELS_SET, actor=by, subject=("tenant", found.pk, ""), body=body)
    return found


def _sealed(token: str, server: str) -> NtfyToken:
    key, row_id = WrappingKey(X25519.id, settings.NOTIFY_PUBLIC_KEY), uuid7()
    content = json.dumps([server, token]).encode()
    sealed = seal(content, key=key, place=_place(acting_tenant(), row_id)).to_bytes()
    return NtfyToken.objects.create(id=row_id, key_id=key.id, sealed=sealed)


def ntfy_token(to: NotificationChannels) -> Secret | None:
    """The worker's: the one for the server that is named now. None if it does not open, or is for another server."""
    row = NtfyToken.objects.filter(id=to.ntfy_token_id).first() if to.ntfy_token_id else None
    key = next((each for each in _private_keys() if row and each.id == row.key_id), None)
    if row is None or key is None:
        return None
    try:
        sealed = Sealed.from_bytes(bytes(row.sealed))
        server, token = json.loads(unseal(sealed, key=key, place=_place(row.tenant_id, row.pk)))
    except SealBroken:
        return None
    return Secret(token) if server == to.ntfy_server else None


def _private_keys() -> list[UnwrappingKey]:
    return [UnwrappingKey(X25519.id, raw) for raw in settings.NOTIFY_KEY]


def _place(tenant: UUID, row_id: UUID) -> Place:
    return Place(tenant, row_id, 1)
