"""A service account's secret, exchanged for a short token. Every exchange and every refusal is recorded, or fails."""

import dataclasses
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.errors import ClientRefused, PrincipalRefused, TenantSuspended
from identity.models import Principal, ServiceAccount, ServiceAccountSecret
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal, secrets_of
from identity.services.authority import whole_tenant
from identity.services.notices import ADMINS, holders, person, tell_all
from identity.services.sessions import Client
from identity.tokens import issue_access_token, token_id_of
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for

USED_EVERY = timedelta(minutes=1)  # how often `last_used_at` is written at most
SUPERSEDED = "secret_superseded"


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
        raise ClientRefused
    with acting_for(Context(tenant, customers=(), principal=principal_id)), transaction.atomic():
        issued = _exchange(principal_id, secret, resource, client)
    if issued is None:  # after the commit of its record
        raise ClientRefused
    return issued


def _exchange(principal_id: UUID, secret: str, resource: str, client: Client) -> IssuedToken | None:
    account = ServiceAccount.objects.filter(id=principal_id).first()
    if account is None:
        return None
    row = secrets_of(account).filter(digest=credentials.digest(secret)).first()
    principal, reason = _holder(account, row, client.address)
    if principal is None or row is None:
        _refused(account, row, reason, client)
        return None
    until = min(row.expires_at, account.expires_at)
    token, expires_in = issue_access_token(account, principal=principal, resource=resource, until=until)
    _touch(account, row, client.address)
    actor = principal.actor(client.address, client.request_id)
    body: dict[str, object] = {"resource": resource, "seconds": expires_in, "secret_prefix": row.prefix}
    body["token"] = token_id_of(token)
    _record(EventKind.TOKEN_ISSUED, account, actor, body=body)
    scope = " ".join(sorted(principal.permissions()))
    return IssuedToken(token, expires_in, scope)


def _holder(
    account: ServiceAccount, secret: ServiceAccountSecret | None, address: str
) -> tuple[ActingPrincipal | None, str]:
    """The account's principal, or why it gets no token."""
    reason = _unfit(account, secret)
    if reason:
        return None, reason
    try:
        principal = acting_principal(account.pk)
    except PrincipalRefused:
        return None, "disabled"
    except TenantSuspended:  # since the client was looked up
        return None, "tenant_suspended"
    return (principal, "") if principal.admits(address) else (None, "address_refused")


def _unfit(account: ServiceAccount, secret: ServiceAccountSecret | None) -> str:
    """What is wrong with the secret; SUPERSEDED when somebody still has one that was replaced."""
    now = timezone.now()
    if secret is None:
        return "wrong_secret"
    if secret.state == ServiceAccountSecret.State.REVOKED:
        return "secret_revoked"
    if secret.superseded_at is not None and secret.expires_at <= now:
        return SUPERSEDED
    return "secret_expired" if min(secret.expires_at, account.expires_at) <= now else ""


def _refused(account: ServiceAccount, secret: ServiceAccountSecret | None, reason: str, client: Client) -> None:
    """A replaced secret that is used after its overlap has been kept by somebody: the account is locked at once."""
    actor = Actor(ActorKind.SERVICE_ACCOUNT, account.pk, account.name, client.address, client.request_id)
    body: dict[str, object] = {"reason": reason, "secret_prefix": secret.prefix if secret else ""}
    if reason == SUPERSEDED and account.locked_at is None:
        _lock(account)
        _record(EventKind.SERVICE_ACCOUNT_LOCKED, account, actor, result="refused", body=body | {"alert": True})
        told = [person(account.owner_id), *holders(ADMINS)]
        tell_all(told, "service_account_locked", account=account.name, address=client.address)
    _record(EventKind.TOKEN_REFUSED, account, actor, result="refused", body=body)


def _lock(account: ServiceAccount) -> None:
    """Disabled, until a person looks at it and enables it. Its tokens stop on their next use."""
    now = timezone.now()
    with whole_tenant():  # nobody may disable or enable their own principal
        ServiceAccount.objects.filter(id=account.pk).update(locked_at=now)
        Principal.objects.filter(id=account.pk, disabled_at=None).update(disabled_at=now)
        Principal.objects.filter(id=account.pk).update(epoch=F("epoch") + 1)


def _touch(account: ServiceAccount, secret: ServiceAccountSecret, address: str) -> None:
    """Never waits: another exchange of the same account is writing the same. As the tenant: nobody writes their own."""
    now = timezone.now()
    used = {"last_used_at": now, "last_used_address": address}
    if account.last_used_at is not None and account.last_used_at + USED_EVERY > now and secret.last_used_at is not None:
        return
    with whole_tenant():
        free = ServiceAccount.objects.select_for_update(skip_locked=True).filter(id=account.pk)
        if free.values_list("id").first():
            ServiceAccount.objects.filter(id=account.pk).update(**used)
            ServiceAccountSecret.objects.filter(id=secret.pk).update(**used)


def _record(
    kind: EventKind, account: ServiceAccount, actor: Actor, *, body: dict[str, object], result: str = "ok"
) -> None:
    record(kind, actor=actor, subject=("service_account", account.pk, account.name), result=result, body=body)
