"""Secrets of automation: made, rotated with an overlap, revoked. A change ends the tokens that were issued so far."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.errors import OwnerInactive
from identity.models import Principal, ServiceAccount, ServiceAccountSecret
from identity.models.secrets import LONGEST_OVERLAP
from identity.models.service_accounts import LONGEST_LIFETIME
from identity.selectors import keys_of, secrets_of
from identity.services.moments import spoken
from identity.services.notices import tell_all
from identity.services.principals import end_credentials, lock_managed
from tenants.errors import Conflict, Invalid, NotFound

DEFAULT_LIFETIME = timedelta(days=90)
DEFAULT_OVERLAP = timedelta(hours=24)
State = ServiceAccountSecret.State


def expiry(wanted: datetime | None) -> datetime:
    """Every secret expires: within a year, by default in 90 days."""
    now = timezone.now()
    expires_at = wanted or now + DEFAULT_LIFETIME
    if not now < expires_at <= now + LONGEST_LIFETIME:
        raise Invalid("Choose a day within the next 366 days.", field="expires_at", code="expiry_out_of_range")
    return expires_at


def add_secret(account: ServiceAccount, *, expires_at: datetime, by: Actor) -> tuple[ServiceAccountSecret, str]:
    """The row, and the secret itself, which cannot be read again."""
    secret = credentials.new_secret()
    row = ServiceAccountSecret.objects.create(
        account=account,
        digest=credentials.digest(secret),
        prefix=secret[: credentials.PREFIX_LENGTH],
        expires_at=expires_at,
        created_by=by.label,
    )
    return row, secret


@transaction.atomic
def rotate_secret(
    account: ServiceAccount,
    *,
    overlap: timedelta = DEFAULT_OVERLAP,
    expires_at: datetime | None = None,
    replaces: str = "",
    by: Actor,
) -> tuple[ServiceAccountSecret, str]:
    """A new secret; the current one stays good for the overlap. One that was still in an overlap ends now.

    `replaces`: the beginning of the secret that the caller saw as the current one, so that one request, sent twice,
    rotates once.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid("The overlap is at most 7 days.", field="overlap_hours", code="overlap_out_of_range")
    account, principal = lock_account(account, by)
    if account.owner.principal.is_disabled:
        raise OwnerInactive
    until = expiry(expires_at)
    if replaces and not secrets_of(account).filter(prefix=replaces, state=State.CURRENT).exists():
        raise Conflict("This secret was replaced or revoked already.", code="already_rotated")
    ends = _supersede(account, overlap)
    row, secret = add_secret(account, expires_at=until, by=by)
    keys = keys_of(account).filter(slot__isnull=False).values_list("expires_at", flat=True)  # they may outlive it
    ends_last = max([until, *keys])
    ServiceAccount.objects.filter(id=account.pk).update(expires_at=ends_last, renewed_at=timezone.now())
    end_credentials(principal)
    _record(
        EventKind.SECRET_ROTATED,
        account,
        by,
        {"secret_prefix": row.prefix, "expires_at": until.isoformat(), "overlap_ends": ends and ends.isoformat()},
    )
    words = {"account": account.name, "by": by.label, "ends": spoken(ends) if ends and overlap else ""}
    tell_all([account.owner], "secret_rotated", **words)
    return row, secret


def _supersede(account: ServiceAccount, overlap: timedelta) -> datetime | None:
    """When the secret that was current ends; None if there was none."""
    now = timezone.now()
    secrets_of(account).filter(state=State.PREVIOUS, expires_at__gt=now).update(expires_at=now)
    secrets_of(account).filter(state=State.PREVIOUS).update(state=State.RETIRED)
    current = secrets_of(account).filter(state=State.CURRENT).first()
    if current is None:
        return None
    ends = min(now + overlap, current.expires_at)
    ServiceAccountSecret.objects.filter(id=current.pk).update(state=State.PREVIOUS, superseded_at=now, expires_at=ends)
    return ends


@transaction.atomic
def revoke_secret(secret: ServiceAccountSecret, *, by: Actor) -> None:
    """It is refused from now on, and so are all tokens: whoever has a good secret gets a new one."""
    account, principal = lock_account(secret.account, by)
    found = secrets_of(account).filter(id=secret.pk).first()
    if found is None:
        raise NotFound
    if found.state == State.REVOKED:
        raise Conflict("This secret is revoked already.", code="already_revoked")
    _revoke(account, principal, [found], by)


@transaction.atomic
def revoke_all_secrets(account: ServiceAccount, *, by: Actor) -> None:
    account, principal = lock_account(account, by)
    _revoke(account, principal, list(secrets_of(account).exclude(state=State.REVOKED)), by)


def _revoke(account: ServiceAccount, principal: Principal, secrets: list[ServiceAccountSecret], by: Actor) -> None:
    ids = [secret.pk for secret in secrets]
    ServiceAccountSecret.objects.filter(id__in=ids).update(state=State.REVOKED, revoked_at=timezone.now())
    end_credentials(principal)
    _record(EventKind.SECRET_REVOKED, account, by, {"secret_prefixes": sorted(secret.prefix for secret in secrets)})
    said = f"{len(secrets)} secret{'s' if len(secrets) != 1 else ''}"
    if secrets:
        tell_all([account.owner], "secret_revoked", account=account.name, by=by.label, secrets=said)


def lock_account(account: ServiceAccount, by: Actor) -> tuple[ServiceAccount, Principal]:
    """Both rows, if `by` may manage the account and holds no less."""
    principal = lock_managed(account.pk, by)
    return ServiceAccount.objects.select_related("owner__principal").get(id=account.pk), principal


def _record(kind: EventKind, account: ServiceAccount, by: Actor, body: dict[str, object]) -> None:
    record(kind, actor=by, subject=("service_account", account.pk, account.name), body=body)
