"""A small world to try everything in: two MSPs at work and one that has just signed up. Made through the services."""

import base64
import dataclasses
import secrets
import time
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django_otp.oath import totp

from audit.actors import Actor, ActorKind
from billing.services import set_entitlement
from connectors.models import ConnectorInstance
from connectors.services import activate_instance, configure_instance, map_customer, start_instance
from connectors.vendors.halopsa.stub_data import CLIENTS, CREDENTIALS
from identity.models import User
from identity.roles import ROLES, Role
from identity.services import (
    confirm_totp,
    create_customer,
    create_member,
    create_service_account,
    enrol_totp,
    make_recovery_codes,
    provision_tenant,
)
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer

CONNECTOR = "halopsa"
INCLUDED_CALLS = 1_000_000
# More than a machine can do, so that `make bench` meets the machine and not a limit.
CALLS_PER_MINUTE = 60_000
REQUEST_LIMIT = 1_000_000
HEALTHY_WITHIN = 30.0  # seconds for the broker to examine the stub
STEP = 30  # seconds of a TOTP code


@dataclasses.dataclass(frozen=True, slots=True)
class Msp:
    workspace: str
    name: str
    api_client: str = ""  # of the stub vendor; none for the one that has not set anything up


MSPS = (
    Msp("northwind", "Northwind IT", "northwind-api"),
    Msp("fabrikam", "Fabrikam Managed Services", "fabrikam-api"),
    Msp("tailspin", "Tailspin Support"),
)
PEOPLE = {
    Role.OWNER: "Olivia Owens",
    Role.ADMIN: "Alice Adams",
    Role.BILLING: "Ben Billings",
    Role.OPERATOR: "Bob Olsen",
    Role.VIEWER: "Vera Viel",
    Role.CUSTOMER_MANAGER: "Carla Manning",
    Role.CUSTOMER_VIEWER: "Colin Vance",
}


class NotHealthy(Exception):
    """The demo's connection did not become healthy; its processes are not running, or the stub is not."""


def make_demo(*, vendor_url: str) -> Iterator[dict[str, Any]]:
    """One tenant after the other, each with the credentials that exist nowhere else in clear."""
    password = secrets.token_urlsafe(12)
    for msp in MSPS:
        yield _tenant(msp, password, vendor_url)


def _tenant(msp: Msp, password: str, vendor_url: str) -> dict[str, Any]:
    made = provision_tenant(
        name=msp.name,
        workspace=msp.workspace,
        owner_email=_email(Role.OWNER, msp),
        owner_name=PEOPLE[Role.OWNER],
        password=password,
        plan="demo",
    )
    by = Actor(ActorKind.USER, made.owner.id, made.owner.name)
    with acting_for(Context(made.tenant.id)):
        with transaction.atomic():
            set_entitlement(CONNECTOR, included_calls=INCLUDED_CALLS, calls_per_minute=CALLS_PER_MINUTE, by=by)
            people = [_credentials(made.owner, Role.OWNER, password, by)]
            customers = _customers(msp, by)
            people += [_person(role, msp, password, customers, by) for role in _roles(customers)]
            accounts = list(_accounts(made.owner, customers, by))
        if msp.api_client:
            _connect(msp, customers, vendor_url, by)
    return {
        "workspace": msp.workspace,
        "name": msp.name,
        "people": people,
        "customers": [{"id": str(c.id), "key": c.key, "name": c.name} for c in customers],
        "service_accounts": accounts,
    }


def _email(role: Role, msp: Msp) -> str:
    return f"{PEOPLE[role].split()[0].lower()}@{msp.workspace}.example"


def _roles(customers: list[Customer]) -> list[Role]:
    return [role for role in PEOPLE if role is not Role.OWNER and (customers or not ROLES[role].customer_scoped)]


def _customers(msp: Msp, by: Actor) -> list[Customer]:
    if not msp.api_client:
        return []
    names = [CLIENTS[client] for client in CREDENTIALS[msp.api_client].clients]
    return [create_customer(name=name, key=name.split()[0].lower(), by=by) for name in names]


def _person(role: Role, msp: Msp, password: str, customers: list[Customer], by: Actor) -> dict[str, str]:
    customer = customers[0] if ROLES[role].customer_scoped else None
    user = create_member(
        email=_email(role, msp), name=PEOPLE[role], role=role, customer=customer, password=password, by=by
    )
    enrol_totp(user)
    return _credentials(user, role, password, by)


def _credentials(user: User, role: Role, password: str, by: Actor) -> dict[str, str]:
    secret = enrol_totp(user).secret
    confirm_totp(user, code_of(secret, steps_ago=1), by=by)  # the code of now stays good for signing in
    make_recovery_codes(user, by=by)
    return {
        "role": role.value,
        "name": user.name,
        "email": user.email,
        "password": password,
        "totp_secret": secret,
    }


def code_of(secret: str, *, steps_ago: int = 0) -> str:
    """The code that an authenticator app shows for this secret now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return f"{totp(key, t0=STEP * steps_ago):06d}"


def _accounts(owner: User, customers: list[Customer], by: Actor) -> Iterator[dict[str, Any]]:
    scopes: list[tuple[str, list[Customer]]] = [("Dispatch agent", [])]
    scopes += [(f"{customer.name} agent", [customer]) for customer in customers[:1]]
    for name, scope in scopes:
        _account, client_id, secret = create_service_account(
            name=name, purpose="Demo", owner=owner, role=Role.OPERATOR, customers=scope, by=by
        )
        yield {
            "name": name,
            "client_id": client_id,
            "client_secret": secret,
            "customers": [customer.key for customer in scope],
        }


def _connect(msp: Msp, customers: list[Customer], vendor_url: str, by: Actor) -> None:
    """As the portal does it: entitlement, settings and credential, health by the broker, activation."""
    account = CREDENTIALS[msp.api_client]
    with transaction.atomic():
        instance = start_instance(CONNECTOR, by=by)
        settings = {"base_url": vendor_url, "client_id": msp.api_client, "request_limit": REQUEST_LIMIT}
        configure_instance(instance, settings=settings, secret={"client_secret": account.secret}, by=by)
        for customer, client in zip(customers, account.clients, strict=True):
            map_customer(instance, customer=customer, external_id=str(client), by=by)
    _wait_until_healthy(instance)
    with transaction.atomic():
        activate_instance(instance, by=by)


def _wait_until_healthy(instance: ConnectorInstance) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < deadline:
        with transaction.atomic():
            found = ConnectorInstance.objects.get(id=instance.id)
        if found.health == ConnectorInstance.Health.HEALTHY:
            return
        time.sleep(0.1)
    raise NotHealthy(f"The stub vendor was not found healthy within {HEALTHY_WITHIN:.0f} s ({found.health_detail}).")
