"""Public keys of automation: registered, spent once for each assertion, revoked. Revoking ends the tokens so far."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.assertions import Assertion, AssertionRefused, read_public_key
from identity.errors import OwnerInactive
from identity.models import ServiceAccount, ServiceAccountKey, SpentAssertion
from identity.selectors import keys_of
from identity.services.notices import tell_all
from identity.services.principals import end_credentials
from identity.services.secrets import expiry, lock_account
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Conflict, NotFound

SLOTS = (1, 2)  # so many keys are good at once: the next one can be there before the present one goes


@transaction.atomic
def add_key(
    account: ServiceAccount, *, public_key: str, expires_at: datetime | None = None, by: Actor
) -> ServiceAccountKey:
    """Good at once, beside the secrets and the other key."""
    account, _ = lock_account(account, by)
    if account.owner.principal.is_disabled:
        raise OwnerInactive
    until, key = expiry(expires_at), read_public_key(public_key)
    with conflict_if_taken("This key was registered here before. Make a new pair.", code="key_known"):
        row = ServiceAccountKey.objects.create(
            account=account,
            kid=key.kid,
            algorithm=key.algorithm,
            jwk=key.jwk,
            slot=_free_slot(account),
            expires_at=until,
            created_by=by.label,
        )
    ends = max(account.expires_at, until)
    ServiceAccount.objects.filter(id=account.pk).update(expires_at=ends, renewed_at=timezone.now())
    body = {"algorithm": row.algorithm, "expires_at": until.isoformat(), "kid": row.kid}
    _record(EventKind.CLIENT_KEY_ADDED, account, by, body)
    tell_all([account.owner], "client_key_added", account=account.name, by=by.label, kid=row.kid)
    return row


def _free_slot(account: ServiceAccount) -> int:
    """Those that have expired make room. The account's row is locked, so nobody else is choosing."""
    keys_of(account).filter(slot__isnull=False, expires_at__lte=timezone.now()).update(slot=None)
    taken = set(keys_of(account).filter(slot__isnull=False).values_list("slot", flat=True))
    free = [slot for slot in SLOTS if slot not in taken]
    if not free:
        raise Conflict("Two keys are good already. Revoke one of them first.", code="two_keys_live")
    return free[0]


@transaction.atomic
def revoke_key(key: ServiceAccountKey, *, by: Actor) -> None:
    """Refused from now on, and so are all tokens: whoever has a good credential gets a new one."""
    account, principal = lock_account(key.account, by)
    found = keys_of(account).filter(id=key.pk).first()
    if found is None:
        raise NotFound
    if found.revoked_at is not None:
        raise Conflict("This key is revoked already.", code="already_revoked")
    ServiceAccountKey.objects.filter(id=found.pk).update(revoked_at=timezone.now(), slot=None)
    end_credentials(principal)
    _record(EventKind.CLIENT_KEY_REVOKED, account, by, {"kid": found.kid})
    tell_all([account.owner], "client_key_revoked", account=account.name, by=by.label, kid=found.kid)


def spend_assertion(account: ServiceAccount, assertion: Assertion) -> None:
    """In the open transaction. Of two at the same moment, in any process, the second waits and is refused."""
    ends = datetime.fromtimestamp(assertion.expires_at, UTC)
    try:
        with conflict_if_taken("This assertion was presented before.", code="assertion_spent"):
            SpentAssertion.objects.create(account=account, digest=assertion.digest, expires_at=ends)
    except Conflict as error:
        raise AssertionRefused("assertion_replayed") from error


def candidates(account: ServiceAccount, kid: str) -> list[ServiceAccountKey]:
    """The key that is named, in whatever state it is; those that are good now where none of ours is."""
    named = list(keys_of(account).filter(kid=kid)) if kid else []
    return named or list(keys_of(account).filter(slot__isnull=False, expires_at__gt=timezone.now()))


def _record(kind: EventKind, account: ServiceAccount, by: Actor, body: dict[str, Any]) -> None:
    record(kind, actor=by, subject=("service_account", account.pk, account.name), body=body)
