"""A small world to try everything in: two MSPs at work and one that has just signed up. Made through the services."""

import base64
import contextlib
import dataclasses
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from django.db import transaction
from django_otp.oath import totp

from audit.actors import Actor, ActorKind
from billing.services import set_entitlement
from connectors.models import ConnectorInstance
from connectors.selectors import instance_by_slug
from connectors.services import (
    activate_instance,
    configure_instance,
    map_customer,
    request_health_check,
    start_instance,
)
from connectors.stub.world import CLIENTS
from connectors.vendors.halopsa.stub_data import CREDENTIALS
from identity.models import ServiceAccount, User
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
from msplex.runtime.home import write_private
from tenants.directory import tenant_of
from tenants.errors import Conflict, NotFound
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer

CONNECTOR = "halopsa"
INCLUDED_CALLS = 1_000_000
# More than a machine can do, so that `make bench` meets the machine and not a limit.
CALLS_PER_MINUTE = 60_000
REQUEST_LIMIT = 1_000_000
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


@dataclasses.dataclass(slots=True)
class Draft:
    """What the demo is so far, by workspace. A start that is killed leaves it to the next, which goes on from there."""

    path: Path
    password: str
    tenants: dict[str, Any]

    @classmethod
    def at(cls, path: Path) -> Self:
        if path.exists():
            return cls(path, **json.loads(path.read_text()))
        taken = [msp.workspace for msp in MSPS if tenant_of("workspace", msp.workspace)]
        if taken:
            raise Conflict(f"There are tenants named {' and '.join(taken)} that are not the demo's.")
        draft = cls(path, secrets.token_urlsafe(12), {})
        draft.save()
        return draft

    def save(self) -> None:
        write_private(self.path, json.dumps({"password": self.password, "tenants": self.tenants}))


def make_demo(draft: Draft, *, vendor_url: str, patience: float) -> dict[str, Any]:
    """Three tenants with the credentials that exist nowhere else in clear. Each step finds what was made before."""
    for msp in MSPS:
        _fill(msp, draft)
    connected = [msp for msp in MSPS if msp.api_client]
    for msp in connected:
        with _at_work(msp) as by:
            _connect(msp, vendor_url, by)
    for msp in connected:
        with _at_work(msp) as by:
            _activate(by, patience=patience)
    return {"tenants": [draft.tenants[msp.workspace] for msp in MSPS], "vendor_url": vendor_url}


def _fill(msp: Msp, draft: Draft) -> None:
    """All or nothing, and in the draft before it is committed: what is in the database is in the draft too."""
    if tenant_of("workspace", msp.workspace) is None:
        _provision(msp, draft)
    with _at_work(msp) as by, transaction.atomic():
        if ServiceAccount.objects.exists():
            return
        owner = User.objects.get(email=_email(Role.OWNER, msp))
        set_entitlement(CONNECTOR, included_calls=INCLUDED_CALLS, calls_per_minute=CALLS_PER_MINUTE, by=by)
        people = [_credentials(owner, Role.OWNER, draft.password, by)]
        customers = _customers(msp, by)
        people += [_person(role, msp, draft.password, customers, by) for role in _roles(customers)]
        draft.tenants[msp.workspace] = {
            "workspace": msp.workspace,
            "name": msp.name,
            "people": people,
            "customers": [{"id": str(c.id), "key": c.key, "name": c.name} for c in customers],
            "service_accounts": list(_accounts(owner, customers, by)),
        }
        draft.save()


def _provision(msp: Msp, draft: Draft) -> None:
    provision_tenant(
        name=msp.name,
        workspace=msp.workspace,
        owner_email=_email(Role.OWNER, msp),
        owner_name=PEOPLE[Role.OWNER],
        password=draft.password,
        plan="demo",
    )


@contextlib.contextmanager
def _at_work(msp: Msp) -> Iterator[Actor]:
    """In the tenant's context, as its owner."""
    tenant_id = tenant_of("workspace", msp.workspace)
    if tenant_id is None:
        raise NotFound
    with acting_for(Context(tenant_id)):
        with transaction.atomic():
            owner = User.objects.get(email=_email(Role.OWNER, msp))
        yield Actor(ActorKind.USER, owner.id, owner.name)


def _email(role: Role, msp: Msp) -> str:
    return f"{PEOPLE[role].split()[0].lower()}@{msp.workspace}.example"


def _roles(customers: list[Customer]) -> list[Role]:
    return [role for role in PEOPLE if role is not Role.OWNER and (customers or not ROLES[role].customer_scoped)]


def _customers(msp: Msp, by: Actor) -> list[Customer]:
    if not msp.api_client:
        return []
    names = [CLIENTS[client] for client in CREDENTIALS[msp.api_client].clients]
    return [create_customer(name=name, key=_key(name), by=by) for name in names]


def _key(name: str) -> str:
    return name.split(maxsplit=1)[0].lower()


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
    scopes: list[tuple[str, Role, list[Customer]]] = [("Dispatch agent", Role.OPERATOR, [])]
    scopes += [(f"{customer.name} agent", Role.OPERATOR, [customer]) for customer in customers[:1]]
    scopes.append(("Auditor", Role.VIEWER, []))
    for name, role, scope in scopes:
        _account, client_id, secret = create_service_account(
            name=name, purpose="Demo", owner=owner, role=role, customers=scope, by=by
        )
        yield {
            "name": name,
            "client_id": client_id,
            "client_secret": secret,
            "customers": [customer.key for customer in scope],
        }


@transaction.atomic
def _connect(msp: Msp, vendor_url: str, by: Actor) -> None:
    """As the portal does it: settings and credential, then the broker is asked to look."""
    account = CREDENTIALS[msp.api_client]
    settings = {"base_url": vendor_url, "client_id": msp.api_client, "request_limit": REQUEST_LIMIT}
    instance = instance_by_slug(CONNECTOR) or start_instance(CONNECTOR, slug=CONNECTOR, by=by)
    if instance.settings != settings:
        instance = configure_instance(instance, settings=settings, secret={"client_secret": account.secret}, by=by)
    elif instance.health != ConnectorInstance.Health.HEALTHY:
        request_health_check(instance, by=by)
    for client in account.clients:
        customer = Customer.objects.get(key=_key(CLIENTS[client]))
        map_customer(instance, customer=customer, external_id=str(client), by=by)


def _activate(by: Actor, *, patience: float) -> None:
    deadline = time.monotonic() + patience
    while (instance := _demo_instance()).health != ConnectorInstance.Health.HEALTHY:
        if time.monotonic() > deadline:
            said = instance.health_detail or "the broker has not looked"
            raise NotHealthy(f"The stub vendor was not found healthy within {patience:.0f} s: {said}.")
        time.sleep(0.1)
    activate_instance(instance, by=by)


def _demo_instance() -> ConnectorInstance:
    with transaction.atomic():
        return ConnectorInstance.objects.get(slug=CONNECTOR)
