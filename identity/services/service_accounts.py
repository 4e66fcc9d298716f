"""Automation: accounts of the tenant, narrowed to customers where wanted, with a secret that is shown once."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.models import Principal, ServiceAccount, User
from identity.permissions import Permission
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.services.authority import authorise, authorise_grant
from identity.services.bindings import add_binding, check_grant
from identity.services.uniqueness import conflict_if_taken
from tenants.directory import register_client
from tenants.errors import Invalid
from tenants.models import Customer

DEFAULT_LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=366)


@dataclasses.dataclass(frozen=True, slots=True)
class AccountTerms:
    """What a service account is for and how far it reaches. No customers: the whole tenant."""

    name: str
    purpose: str
    owner: User
    role: Role
    customers: Sequence[Customer] = ()
    expires_at: datetime | None = None


def create_service_account(
    *,
    name: str,
    purpose: str,
    owner: User,
    role: Role,
    customers: Sequence[Customer] = (),
    expires_at: datetime | None = None,
    by: Actor,
) -> tuple[ServiceAccount, str, str]:
    """The account, its client id, and its secret, which cannot be read again."""
    terms = AccountTerms(name.strip(), purpose.strip(), owner, role, customers, expires_at)
    return _create(terms, by)


@transaction.atomic
def _create(terms: AccountTerms, by: Actor) -> tuple[ServiceAccount, str, str]:
    scopes: list[Customer | None] = [*dict.fromkeys(terms.customers)] or [None]
    grants = [check_grant(terms.role, customer) for customer in scopes]
    authorise(by, Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, None)
    for grant in grants:
        authorise_grant(by, grant)
    if not terms.name:
        raise Invalid("Give it a name.", field="name", code="name_needed")
    with conflict_if_taken("There is a service account with this name.", code="name_taken"):
        account, secret = _add_account(terms)
    record(
        EventKind.SERVICE_ACCOUNT_CREATED,
        actor=by,
        subject=("service_account", account.pk, account.name),
        body={
            "client_id": account.client_id,
            "customers": [str(grant.customer_id) for grant in grants if grant.customer_id],
            "expires_at": account.expires_at.isoformat(),
            "owner": terms.owner.email,
            "role": terms.role.value,
            "secret_prefix": account.secret_prefix,
        },
    )
    for customer in scopes:
        add_binding(account.principal, terms.role, customer, by=by)
    return account, account.client_id, secret


def _add_account(terms: AccountTerms) -> tuple[ServiceAccount, str]:
    secret = credentials.new_secret()
    principal = Principal.objects.create(kind=PrincipalKind.SERVICE_ACCOUNT.value, label=terms.name)
    account = ServiceAccount.objects.create(
        id=principal.pk,
        principal=principal,
        name=terms.name,
        purpose=terms.purpose,
        owner=terms.owner,
        client_id=credentials.client_id_of(principal.pk),
        secret_hash=credentials.digest(secret),
        secret_prefix=secret[: credentials.PREFIX_LENGTH],
        expires_at=_expiry(terms.expires_at),
    )
    register_client(account.client_id)
    return account, secret


def _expiry(wanted: datetime | None) -> datetime:
    """Every secret expires: within a year, by default in 90 days."""
    now = timezone.now()
    expires_at = wanted or now + DEFAULT_LIFETIME
    if not now < expires_at <= now + LONGEST_LIFETIME:
        raise Invalid("Choose a day within the next 366 days.", field="expires_at", code="expiry_out_of_range")
    return expires_at
