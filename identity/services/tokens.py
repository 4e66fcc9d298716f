"""A service account's secret, exchanged for a short token. Every exchange and every refusal is recorded, or fails."""

import dataclasses
import hmac
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.errors import ClientRefused, PrincipalRefused, TenantSuspended
from identity.models import ServiceAccount
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal
from identity.services.sessions import Client
from identity.tokens import issue_access_token
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for

USED_EVERY = timedelta(minutes=1)  # how often `last_used_at` is written at most
_NOBODYS_HASH = bytes(32)


@dataclasses.dataclass(frozen=True, slots=True)
class IssuedToken:
    access_token: str
    expires_in: int
    scope: str


def exchange_secret(client_id: str, secret: str, *, resource: str, client: Client) -> IssuedToken:
    """ClientRefused alike for an unknown client, a wrong or expired secret and a disabled account."""
    principal_id = credentials.principal_of(client_id)
    tenant = tenant_of("client", client_id) if principal_id else None
    if tenant is None or principal_id is None:
        hmac.compare_digest(_NOBODYS_HASH, credentials.digest(secret))
        raise ClientRefused
    with acting_for(Context(tenant, customers=(), principal=principal_id)), transaction.atomic():
        issued = _exchange(principal_id, secret, resource, client)
    if issued is None:  # after the commit of its record
        raise ClientRefused
    return issued


def _exchange(principal_id: UUID, secret: str, resource: str, client: Client) -> IssuedToken | None:
    account = ServiceAccount.objects.filter(id=principal_id).first()
    fits = hmac.compare_digest(bytes(account.secret_hash) if account else _NOBODYS_HASH, credentials.digest(secret))
    if account is None:
        return None
    principal, reason = _holder(account, fits=fits)
    if principal is None:
        actor = Actor(ActorKind.SERVICE_ACCOUNT, account.pk, account.name, client.address, client.request_id)
        _record(EventKind.TOKEN_REFUSED, account, actor, result="refused", body={"reason": reason})
        return None
    token, expires_in = issue_access_token(account, principal=principal, resource=resource)
    _touch(account)
    actor = principal.actor(client.address, client.request_id)
    _record(EventKind.TOKEN_ISSUED, account, actor, body={"resource": resource, "seconds": expires_in})
    scope = " ".join(sorted(principal.permissions()))
    return IssuedToken(token, expires_in, scope)


def _holder(account: ServiceAccount, *, fits: bool) -> tuple[ActingPrincipal | None, str]:
    """The account's principal, or why it gets no token."""
    if not fits:
        return None, "wrong_secret"
    if account.expires_at <= timezone.now():
        return None, "secret_expired"
    try:
        return acting_principal(account.pk), ""
    except PrincipalRefused:
        return None, "disabled"
    except TenantSuspended:  # since the client was looked up
        return None, "tenant_suspended"


def _touch(account: ServiceAccount) -> None:
    """Never waits: another exchange of the same account is writing the same."""
    now = timezone.now()
    if account.last_used_at is None or account.last_used_at + USED_EVERY <= now:
        free = ServiceAccount.objects.select_for_update(skip_locked=True).filter(id=account.pk)
        if free.values_list("id").first():
            ServiceAccount.objects.filter(id=account.pk).update(last_used_at=now)


def _record(
    kind: EventKind, account: ServiceAccount, actor: Actor, *, body: dict[str, object], result: str = "ok"
) -> None:
    record(kind, actor=actor, subject=("service_account", account.pk, account.name), result=result, body=body)
