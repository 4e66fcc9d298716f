"""Withdrawn is withdrawn: on the next request, in every process, with Redis or without, whatever is cached."""

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.cookies import SimpleCookie

import httpx2
import pytest
from django.conf import settings

from identity import services
from identity.assertions import TYPE
from identity.errors import TokenRefused
from identity.models import AgentSession, Session
from identity.roles import Role
from identity.tokens import AGENT_SECONDS, load_principal, read_access_token
from msplex.decision import snapshot
from msplex.gateway import calls
from msplex.guard import KEYS
from tenants.process import Process
from tests.conftest import stack_redis
from tests.connectors.factories import ConnectedWorld, connect
from tests.gateway.door import Door
from tests.identity.factories import SETUP, Machine, Person, make_machine
from tests.identity.signing import Signer, present
from tests.oauth.flow import McpClient, bob
from tests.processes import ROOT, environment, free_port, gateway, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
NO_REDIS = "redis://127.0.0.1:1"
PORTAL_KEYS = tuple(f"MSPLEX_{name}" for name in KEYS[Process.PORTAL])


@contextlib.contextmanager
def portal(redis_url: str) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--no-ws", "--workers-kill-timeout", "1", "--log-level", "warning", "msplex.wsgi:application",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment("portal", "app", *PORTAL_KEYS) | {"REDIS_URL": redis_url}
    )
    wait_for(f"http://127.0.0.1:{port}/healthz", process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


@dataclasses.dataclass
class Doors:
    gateways: list[str]
    portals: list[str]


@pytest.fixture(scope="module")
def doors(_database: None) -> Iterator[Doors]:
    """Four gateways and two portals; half of them find no Redis."""
    with contextlib.ExitStack() as stack:
        yield Doors(
            [stack.enter_context(gateway(url)) for url in (stack_redis(), stack_redis(), NO_REDIS, NO_REDIS)],
            [stack.enter_context(portal(url)) for url in (stack_redis(), NO_REDIS)],
        )


@dataclasses.dataclass
class Held:
    """Everything that a person and a machine may hold at once; of the machine's, one got with its key."""

    world: ConnectedWorld
    person: Person
    machine: Machine
    agent: str
    cookie: str
    machine_at_gateway: str
    machine_at_api: str


def hold(world: ConnectedWorld) -> Held:
    person = bob(world.tenant)
    machine = make_machine(world.tenant, Role.OPERATOR)
    agent = McpClient.registered().tokens(person, world.tenant.customers[0])["access_token"]
    cookie = person.browser().cookies[settings.SESSION_COOKIE_NAME].value
    by_key = present(Signer.registered(machine).assertion(), resource=settings.API_RESOURCE).json()["access_token"]
    return Held(world, person, machine, agent, cookie, machine.token(), by_key)


def person_enters(doors: Doors, held: Held) -> list[bool]:
    """In the portal, with the session's cookie, page and API."""
    jar = SimpleCookie({settings.SESSION_COOKIE_NAME: held.cookie}).output(header="").strip().partition(";")[0]
    return [
        httpx2.get(url + path, headers={"Cookie": jar}, trust_env=False).status_code == 200
        for url in doors.portals
        for path in ("/customers/", "/api/v1/customers/")
    ]


def agent_enters(doors: Doors, held: Held) -> list[bool]:
    return [Door(url, held.agent).post("tools/list", {}).status_code == 200 for url in doors.gateways]


def machine_enters(doors: Doors, held: Held) -> list[bool]:
    headers = {"Authorization": f"Bearer {held.machine_at_api}"}
    api = [
        httpx2.get(f"{url}/api/v1/customers/", headers=headers, trust_env=False).status_code == 200
        for url in doors.portals
    ]
    return api + [
        Door(url, held.machine_at_gateway).post("tools/list", {}).status_code == 200 for url in doors.gateways
    ]


def disable_person(held: Held) -> None:
    services.disable_principal(held.person.id, by=SETUP)


def disable_machine(held: Held) -> None:
    services.disable_principal(held.machine.id, by=SETUP)


def take_the_role(held: Held) -> None:
    services.unbind_role(held.person.user.principal.bindings.get(), by=SETUP)


def reset_factors(held: Held) -> None:
    services.reset_factors(held.person.user, by=SETUP)


def end_the_agent(held: Held) -> None:
    services.end_agent_session(AgentSession.objects.get(user=held.person.user).pk, by=SETUP)


def end_the_session(held: Held) -> None:
    services.sign_out(Session.objects.filter(principal_id=held.person.id, ended_at=None).latest("id").pk, by=SETUP)


def rotate_the_secret(held: Held) -> None:
    services.rotate_secret(held.machine.account, by=SETUP)


def revoke_the_secret(held: Held) -> None:
    services.revoke_secret(held.machine.account.secrets.get(), by=SETUP)


def revoke_the_key(held: Held) -> None:
    services.revoke_key(held.machine.account.keys.get(), by=SETUP)


Enters = Callable[[Doors, Held], list[bool]]


@pytest.mark.parametrize(
    ("withdraw", "shut"),
    [
        (disable_person, [person_enters, agent_enters]),
        (disable_machine, [machine_enters]),
        (take_the_role, [person_enters, agent_enters]),
        (reset_factors, [person_enters, agent_enters]),
        (end_the_agent, [agent_enters]),
        (end_the_session, [person_enters]),
        (rotate_the_secret, [machine_enters]),
        (revoke_the_secret, [machine_enters]),
        (revoke_the_key, [machine_enters]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_withdrawn_is_refused_on_the_next_request_in_every_process(
    doors: Doors, vendor, withdraw: Callable[[Held], None], shut: list[Enters]
):
    held = hold(connect(vendor))
    every: list[Enters] = [person_enters, agent_enters, machine_enters]
    assert all(entered for enters in every for entered in enters(doors, held))

    with held.world.tenant.acting():
        withdraw(held)

    for enters in every:
        expected = enters not in shut
        assert set(enters(doors, held)) == {expected}, enters.__name__


def test_a_secret_is_refused_after_its_overlap_and_a_revoked_key_at_once_in_every_process(doors: Doors, vendor):
    machine = make_machine(connect(vendor).tenant, Role.OPERATOR)
    signer = Signer.registered(machine)
    with machine.world.acting():
        services.rotate_secret(machine.account, overlap=timedelta(0), by=SETUP)
        services.revoke_key(machine.account.keys.get(), by=SETUP)
    by_secret = {"client_id": machine.client_id, "client_secret": machine.secret}
    by_key = {"client_assertion_type": TYPE, "client_assertion": signer.assertion()}

    for url in doors.portals:
        for given in (by_key, by_secret):
            form = {"grant_type": "client_credentials", **given}
            assert httpx2.post(f"{url}/oauth/token", data=form, trust_env=False).status_code == 401


@pytest.mark.parametrize("withdraw", [disable_person, reset_factors, end_the_agent, take_the_role])
def test_caches_that_never_notice_a_change_let_nobody_in(vendor, monkeypatch, withdraw: Callable[[Held], None]):
    """The one cache of decisions is the tenant's snapshot. Frozen for good, it holds no principal, role or session."""
    held = hold(connect(vendor))
    claims = read_access_token(held.agent, audience=settings.GATEWAY_RESOURCE)
    caller = calls.Caller(claims)
    assert calls.list_tools(caller)
    monkeypatch.setattr(snapshot, "revision", lambda: 0)
    monkeypatch.setattr(snapshot._cache, "get", lambda context, _number: _newest(context))

    with held.world.tenant.acting():
        withdraw(held)

    with pytest.raises(calls.DoorClosed):
        calls.list_tools(caller)


def _newest(context):
    return next((kept for (tenant, _), kept in snapshot._cache._kept.items() if tenant == context.tenant), None)


def test_no_token_of_a_person_outlives_a_quarter_of_an_hour(vendor):
    """Were the database's answer never asked for again, this is what would be left."""
    held = hold(connect(vendor))
    claims = read_access_token(held.agent, audience=settings.GATEWAY_RESOURCE)

    assert claims.expires_at - claims.issued_at == AGENT_SECONDS == 900
    with held.world.tenant.acting(principal=held.person.id):
        disable_person(held)
        with pytest.raises(TokenRefused):
            load_principal(claims)
