"""Automation: accounts of the tenant, narrowed to customers where wanted, with a secret that is shown once."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity import credentials
from identity.models import Principal, ServiceAccount, User
from identity.networks import normal_networks
from identity.permissions import Permission
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.services.authority import authorise, authorise_grant
from identity.services.bindings import add_binding, check_grant
from identity.services.principals import lock_managed
from identity.services.secrets import add_secret, expiry
from identity.services.uniqueness import conflict_if_taken
from tenants.directory import register_client
from tenants.errors import Invalid
from tenants.models import Customer


@dataclasses.dataclass(frozen=True, slots=True)
class AccountTerms:
    """What a service account is for and how far it reaches. No customers: the whole tenant."""

    name: str
    purpose: str
    owner: User
    role: Role
    customers: Sequence[Customer] = ()
    expires_at: datetime | None = None
    networks: str = ""


def create_service_account(
    *,
    name: str,
    purpose: str,
    owner: User,
    role: Role,
    customers: Sequence[Customer] = (),
    expires_at: datetime | None = None,
    networks: Sequence[str] = (),
    by: Actor,
) -> tuple[ServiceAccount, str, str]:
    """The account, its client id, and its secret, which cannot be read again."""
    reach = normal_networks(list(networks))
    terms = AccountTerms(name.strip(), purpose.strip(), owner, role, customers, expires_at, reach)
    return _create(terms, by)


@transaction.atomic
def _create(terms: AccountTerms, by: Actor) -> tuple[ServiceAccount, str, str]:
    scopes: list[Customer | None] = [*dict.fromkeys(terms.customers)] or [None]
    grants = [check_grant(terms.role, customer) for customer in scopes]
    authorise(by, Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, None)
    for grant in grants:
        authorise_grant(by, grant)
    _check_terms(terms)
    with conflict_if_taken("There is a service account with this name.", code="name_taken"):
        account = _add_account(terms)
    row, secret = add_secret(account, expires_at=account.expires_at, by=by)
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
            "networks": terms.networks,
            "purpose": terms.purpose,
            "secret_prefix": row.prefix,
        },
    )
    for customer in scopes:
        add_binding(account.principal, terms.role, customer, by=by)
    return account, account.client_id, secret


def _check_terms(terms: AccountTerms) -> None:
    if not terms.name:
        raise Invalid("Give it a name.", field="name", code="name_needed")
    check_purpose(terms.purpose)
    if terms.owner.principal.is_disabled:
        raise Invalid("The owner is an active person.", field="owner", code="owner_inactive")


def check_purpose(purpose: str) -> None:
    if not purpose:
        raise Invalid("Say what it is for.", field="purpose", code="purpose_needed")


def _add_account(terms: AccountTerms) -> ServiceAccount:
    principal = Principal.objects.create(
        kind=PrincipalKind.SERVICE_ACCOUNT.value, label=terms.name, networks=terms.networks
    )
    account = ServiceAccount.objects.create(
        id=principal.pk,
        principal=principal,
        name=terms.name,
        purpose=terms.purpose,
        owner=terms.owner,
        client_id=credentials.client_id_of(principal.pk),
        expires_at=expiry(terms.expires_at),
    )
    register_client(account.client_id)
    return account


@transaction.atomic
def amend_service_account(
    account: ServiceAccount, *, purpose: str, owner: User, networks: Sequence[str], by: Actor
) -> ServiceAccount:
    """What it is for, who answers for it, and where it may come from. Holds on its next request."""
    principal = lock_managed(account.pk, by)
    found = ServiceAccount.objects.select_related("owner").get(id=account.pk)
    before = {"purpose": found.purpose, "owner": found.owner.email, "networks": principal.networks}
    check_purpose(purpose.strip())
    if owner.pk != found.owner_id and owner.principal.is_disabled:
        raise Invalid("The owner is an active person.", field="owner", code="owner_inactive")
    after = {"purpose": purpose.strip(), "owner": owner.email, "networks": normal_networks(list(networks))}
    ServiceAccount.objects.filter(id=found.pk).update(purpose=after["purpose"], owner=owner)
    Principal.objects.filter(id=principal.pk).update(networks=after["networks"])
    record(
        EventKind.SERVICE_ACCOUNT_CHANGED,
        actor=by,
        subject=("service_account", found.pk, found.name),
        body={"before": before, "after": after},
    )
    return found
