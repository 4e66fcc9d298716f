"""People and machines for tests. The cast: alice (admin), bob (operator), mallory (admin of another tenant)."""

import base64
import contextlib
import dataclasses
import secrets
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connections, transaction
from django.test import Client as Browser
from django_otp.oath import totp

from audit.actors import Actor, system
from identity.models import ServiceAccount, TotpDevice, User
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services import (
    Client,
    create_member,
    create_service_account,
    enrol_totp,
    exchange_secret,
    make_recovery_codes,
)
from identity.services.sessions import open_session
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant

PASSWORD = "correct horse battery staple"
SETUP = system("tests")


@dataclasses.dataclass
class Person:
    """A member with everything that signs in."""

    world: TenantWorld
    user: User
    seed: bytes = b""
    recovery_codes: tuple[str, ...] = ()

    @property
    def id(self):
        return self.user.pk

    @property
    def actor(self) -> Actor:
        with self.world.acting():
            return acting_principal(self.user.pk).actor("127.0.0.1", "test")

    def code(self) -> str:
        """What the authenticator app shows now."""
        return f"{totp(self.seed):06d}"

    def browser(self) -> Browser:
        """A browser that is signed in."""
        with self.world.acting():
            cookie = open_session(acting_principal(self.user.pk), method="totp", client=Client("127.0.0.1", "tests"))
        browser = Browser()
        browser.cookies[settings.SESSION_COOKIE_NAME] = cookie
        return browser


@dataclasses.dataclass
class Machine:
    world: TenantWorld
    account: ServiceAccount
    client_id: str
    secret: str

    @property
    def id(self):
        return self.account.pk

    def token(self, resource: str | None = None) -> str:
        issued = exchange_secret(
            self.client_id, self.secret, resource=resource or settings.GATEWAY_RESOURCE, client=Client("127.0.0.1")
        )
        return issued.access_token

    def api(self) -> Browser:
        """A REST client with a bearer token."""
        return Browser(headers={"Authorization": f"Bearer {self.token(settings.API_RESOURCE)}"})


def make_person(
    world: TenantWorld, role: Role = Role.ADMIN, *, name: str = "alice", customer: Customer | None = None
) -> Person:
    """A member, without a second factor yet."""
    email = f"{name}-{secrets.token_hex(3)}@{world.workspace}.example"
    with world.acting():
        user = create_member(email=email, name=name.title(), role=role, customer=customer, password=PASSWORD, by=SETUP)
    return Person(world, user)


def make_member(
    world: TenantWorld, role: Role = Role.ADMIN, *, name: str = "alice", customer: Customer | None = None
) -> Person:
    """A member who has signed in before: an authenticator app and recovery codes."""
    person = make_person(world, role, name=name, customer=customer)
    with world.acting():
        secret = enrol_totp(person.user).secret
        person.seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
        # Not with a code: its step would be used up, and could be over before it is looked at.
        TotpDevice.objects.filter(user=person.user).update(confirmed=True)
        person.recovery_codes = tuple(make_recovery_codes(person.user, by=person.actor))
    return person


def make_machine(
    world: TenantWorld, role: Role = Role.OPERATOR, *, customers: tuple[Customer, ...] = (), owner: Person | None = None
) -> Machine:
    owner = owner or make_person(world, Role.OWNER, name="owner")
    name = f"machine-{secrets.token_hex(3)}"
    with world.acting():
        account, client_id, secret = create_service_account(
            name=name, purpose="tests", owner=owner.user, role=role, customers=customers, by=SETUP
        )
    return Machine(world, account, client_id, secret)


@contextlib.contextmanager
def acting_as(person: Person) -> Iterator[Context]:
    """The person's own transaction, as wide as the middleware opens it."""
    with person.world.acting():
        scope = acting_principal(person.id).scope()
    context = Context(person.world.id, scope, person.id)
    with acting_for(context), transaction.atomic():
        yield context


def make_cast() -> tuple[Person, Person, Person]:
    """alice (admin) and bob (operator) of one tenant, mallory (admin) of another."""
    acme, globex = make_tenant("acme"), make_tenant("globex")
    return (
        make_person(acme, Role.ADMIN, name="alice"),
        make_person(acme, Role.OPERATOR, name="bob"),
        make_person(globex, Role.ADMIN, name="mallory"),
    )


def let_work(world: TenantWorld, active: bool) -> None:
    """Suspend the tenant, or let it go on, as the provider does."""
    with connections["provider"].cursor() as cursor:
        cursor.execute("UPDATE provider.tenant SET active = %s WHERE id = %s", [active, world.id])


def fresh_step() -> None:
    """Wait out the end of a TOTP step, where two codes that must be of one step could be of two."""
    remaining = 30 - time.time() % 30
    if remaining < 2:
        time.sleep(remaining)
