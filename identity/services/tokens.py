"""A service account's secret, or an assertion that its key has signed, exchanged for a short token.

Every exchange and every refusal is recorded, or fails.
"""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.assertions import AssertionRefused, client_and_key_of, verify
from identity.errors import ClientRefused, PrincipalRefused, TenantSuspended
from identity.models import Principal, ServiceAccount, ServiceAccountKey, ServiceAccountSecret
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal, secrets_of
from identity.services.authority import whole_tenant
from identity.services.client_keys import candidates, spend_assertion
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Proof:
    """What a client showed: the row it is kept in, until when that is good, and why it is not taken, if it is not."""

    row: ServiceAccountSecret | ServiceAccountKey | None = None
    reason: str = ""
    named: Mapping[str, str] = dataclasses.field(default_factory=dict)  # for the record


Prove = Callable[[ServiceAccount], _Proof]


def exchange_secret(client_id: str, secret: str, *, resource: str, client: Client) -> IssuedToken:
    """ClientRefused alike for an unknown client, a wrong or expired secret and a disabled account."""
    return _exchanged(client_id, lambda account: _by_secret(account, secret), resource, client)


def exchange_assertion(client_id: str, raw: str, *, resource: str, client: Client) -> IssuedToken:
    """The same, for an assertion that is signed with a registered key. `client_id`: as the request names it, or empty.

    A good one is spent by being presented, whatever else stands in its way.
    """
    try:
        whose, kid = client_and_key_of(raw)
    except AssertionRefused as refused:
        raise ClientRefused from refused
    if client_id not in {"", whose}:
        raise ClientRefused
    return _exchanged(whose, lambda account: _by_assertion(account, raw, kid), resource, client)


def _exchanged(client_id: str, prove: Prove, resource: str, client: Client) -> IssuedToken:
    principal_id = credentials.principal_of(client_id)
    tenant = tenant_of("client", client_id) if principal_id else None
    if tenant is None or principal_id is None:
        raise ClientRefused
    with acting_for(Context(tenant, customers=(), principal=principal_id)), transaction.atomic():
        issued = _exchange(principal_id, prove, resource, client)
    if issued is None:  # after the commit of its record
        raise ClientRefused
    return issued


def _exchange(principal_id: UUID, prove: Prove, resource: str, client: Client) -> IssuedToken | None:
    """The principal is read before its credential: who revokes that moves the epoch, and the token has the old one."""
    account = ServiceAccount.objects.filter(id=principal_id).first()
    if account is None:
        return None
    principal, unfit = _holder(account, client.address)
    proof = prove(account)
    if proof.reason or principal is None or proof.row is None:
        _refused(account, proof, proof.reason or unfit, client)
        return None
    until = min(proof.row.expires_at, account.expires_at)
    token, expires_in = issue_access_token(account, principal=principal, resource=resource, until=until)
    _touch(account, proof.row, client.address)
    actor = principal.actor(client.address, client.request_id)
    body: dict[str, object] = {"resource": resource, "seconds": expires_in, **proof.named, "token": token_id_of(token)}
    _record(EventKind.TOKEN_ISSUED, account, actor, body=body)
    scope = " ".join(sorted(principal.permissions()))
    return IssuedToken(token, expires_in, scope)


def _holder(account: ServiceAccount, address: str) -> tuple[ActingPrincipal | None, str]:
    """The account's principal, or why it gets no token."""
    try:
        principal = acting_principal(account.pk)
    except PrincipalRefused:
        return None, "disabled"
    except TenantSuspended:  # since the client was looked up
        return None, "tenant_suspended"
    return (principal, "") if principal.admits(address) else (None, "address_refused")


def _by_secret(account: ServiceAccount, secret: str) -> _Proof:
    row = secrets_of(account).filter(digest=credentials.digest(secret)).first()
    return _Proof(row, _unfit(account, row), {"secret_prefix": row.prefix if row else ""})


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


def _by_assertion(account: ServiceAccount, raw: str, kid: str) -> _Proof:
    reason = "key_unknown"
    for key in candidates(account, kid):
        named = {"kid": key.kid}
        try:
            assertion = verify(raw, algorithm=key.algorithm, jwk=key.jwk, client_id=account.client_id)
            spend_assertion(account, assertion)
        except AssertionRefused as refused:
            reason = refused.reason
            continue
        return _Proof(key, _unfit_key(account, key), named)
    return _Proof(None, reason, {"kid": kid})


def _unfit_key(account: ServiceAccount, key: ServiceAccountKey) -> str:
    if key.revoked_at is not None:
        return "key_revoked"
    return "key_expired" if min(key.expires_at, account.expires_at) <= timezone.now() else ""


def _refused(account: ServiceAccount, proof: _Proof, reason: str, client: Client) -> None:
    """A replaced secret that is used after its overlap has been kept by somebody: the account is locked at once."""
    actor = Actor(ActorKind.SERVICE_ACCOUNT, account.pk, account.name, client.address, client.request_id)
    body: dict[str, object] = {"reason": reason, **proof.named}
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


def _touch(account: ServiceAccount, row: ServiceAccountSecret | ServiceAccountKey, address: str) -> None:
    """Never waits: another exchange of the same account is writing the same. As the tenant: nobody writes their own."""
    now = timezone.now()
    used = {"last_used_at": now, "last_used_address": address}
    if account.last_used_at is not None and account.last_used_at + USED_EVERY > now and row.last_used_at is not None:
        return
    with whole_tenant():
        free = ServiceAccount.objects.select_for_update(skip_locked=True).filter(id=account.pk)
        if free.values_list("id").first():
            ServiceAccount.objects.filter(id=account.pk).update(**used)
            type(row).objects.filter(id=row.pk).update(**used)


def _record(
    kind: EventKind, account: ServiceAccount, actor: Actor, *, body: dict[str, object], result: str = "ok"
) -> None:
    record(kind, actor=actor, subject=("service_account", account.pk, account.name), result=result, body=body)
