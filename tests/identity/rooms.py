"""The rooms of identity's API: every address with what it needs, read from the resolver.

A new one is tested, or fails here until it says how.
"""

import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import reverse

from identity.models import AgentSession, Passkey, RoleBinding, Session, User
from identity.roles import Role
from identity.services import add_key, create_customer, invite
from tenants.ids import uuid7
from tests.factories import TenantWorld
from tests.identity.factories import SETUP, make_machine, make_member, make_person
from tests.identity.signing import public_key
from tests.oauth.flow import McpClient
from tests.routes import routes

Ids = dict[str, Any]
Body = dict[str, Any]


# What each route needs. Made anew for every test, in the tenant that is asked for.


def _member(world: TenantWorld) -> Ids:
    user = make_person(world, Role.VIEWER, name="routed").user
    return {"pk": user.pk, "binding": _binding(world, user.pk)}


def _service_account(world: TenantWorld) -> Ids:
    account = make_machine(world, Role.VIEWER)
    with world.acting():
        secret = account.account.secrets.get().pk
        key = add_key(account.account, public_key=public_key(), by=SETUP).pk
    return {"pk": account.id, "binding": _binding(world, account.id), "secret": secret, "key": key}


def _binding(world: TenantWorld, principal: UUID) -> UUID:
    with world.acting():
        return RoleBinding.objects.get(principal_id=principal).pk


def _customer(world: TenantWorld) -> Ids:
    with world.acting():
        return {"pk": create_customer(name="Routed", key=f"routed-{uuid7().hex[-8:]}", by=SETUP).pk}


def _invitation(world: TenantWorld) -> Ids:
    with world.acting():
        return {"pk": invite(email=f"{uuid7().hex}@x.example", role=Role.VIEWER, by=SETUP).pk}


def _agent(world: TenantWorld) -> Ids:
    McpClient.registered().tokens(make_member(world, Role.OPERATOR, name="routed"), world.customers[0])
    with world.acting():
        return {"pk": AgentSession.objects.latest("id").pk}


def _passkey(world: TenantWorld) -> Ids:
    """Of who asks, for others have none to see; and a second one, for the last factor stays."""
    with world.acting():
        asking = User.objects.filter(name="Alice").first()
    user = asking or make_person(world).user
    with world.acting():
        for name in ("Phone", "Laptop"):
            made = Passkey.objects.create(user=user, name=name, credential_id=uuid7().bytes)
    return {"pk": made.pk}


def _session(world: TenantWorld) -> Ids:
    person = make_person(world, Role.VIEWER, name="routed")
    person.browser()
    with world.acting():
        return {"pk": Session.objects.get(principal_id=person.id).pk}


OBJECTS: dict[str, Callable[[TenantWorld], Ids]] = {
    "account": lambda _: {},
    "agent": _agent,
    "binding": lambda _: {},
    "customer": _customer,
    "invitation": _invitation,
    "member": _member,
    "passkey": _passkey,
    "second-factor": lambda _: {},
    "second-factor-passkey": lambda _: {},
    "security-policy": lambda _: {},
    "service-account": _service_account,
    "service-account-key": _service_account,
    "session": _session,
    "session-revoke": lambda _: {},
}
BODIES: dict[str, Body] = {
    "add_key": {"public_key": public_key()},
    "bind": {"role": "operator"},
    "domains": {"domains": []},
    "partial_update": {},
    "passkey-partial_update": {"name": "Routed"},
    "rotate": {},
}  # by action, or by room and action; the others take none


@dataclasses.dataclass(frozen=True)
class Route:
    room: str
    action: str
    method: str
    name: str
    ids: tuple[str, ...]

    def ask(self, api: Browser, ids: Ids) -> HttpResponse:
        path = reverse(self.name, urlconf="msplex.urls", kwargs={key: str(ids[key]) for key in self.ids})
        return self.ask_path(api, path)

    def ask_path(self, api: Browser, path: str) -> HttpResponse:
        body = BODIES.get(str(self), BODIES.get(self.action))
        return getattr(api, self.method)(path, body, content_type="application/json")

    def objects(self, world: TenantWorld) -> Ids:
        make = OBJECTS.get(self.room)
        made = make(world) if make else {}
        missing = set(self.ids) - made.keys()
        if missing:
            pytest.fail(f"{self.name}: say in OBJECTS[{self.room!r}] how to make {', '.join(sorted(missing))}")
        return made

    def __str__(self) -> str:
        return f"{self.room}-{self.action}"


def _routes() -> list[Route]:
    found = []
    for known in routes("api"):
        if not getattr(known.view, "cls", known.view).__module__.startswith("identity.api"):
            continue
        room = known.name.rpartition(":")[2].rsplit("-", 1)[0]
        found += [Route(room, action, method, known.name, known.parameters) for method, action in known.actions.items()]
    return found


ROUTES = _routes()
DETAILS = [route for route in ROUTES if route.ids]
PLACES = [pytest.param(route, key, id=f"{route}-{key}") for route in DETAILS for key in route.ids]


def answer(response: HttpResponse, *hidden: object) -> tuple[int, bytes, dict[str, str]]:
    """All that can be told apart, but for the ids that the caller sent and gets back."""
    content = response.content
    for identifier in hidden:
        content = content.replace(str(identifier).encode(), b"ID")
    return response.status_code, content, {k: v for k, v in response.headers.items() if k != "Date"}
