"""What the authorization server forgets, and what it must not forget yet."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.selectors import events
from identity.models import AgentSession, OAuthCode, OAuthRefreshToken, SpentAssertion
from identity.services import end_agent_session, forget_agent_sessions, forget_assertions, forgetting
from identity.tasks import sweep_oauth
from msplex.celery import app
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import Person, make_machine
from tests.identity.signing import Signer, present
from tests.oauth.flow import McpClient, bob

DAY = timedelta(days=1)


def sweep(settings) -> None:
    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        sweep_oauth()


def kept(person: Person) -> list[int]:
    with person.world.acting():
        return [model.objects.count() for model in (AgentSession, OAuthCode, OAuthRefreshToken)]


def aged(person: Person, **changes) -> None:
    with person.world.acting():
        AgentSession.objects.update(**changes)


def test_a_live_session_keeps_every_token_it_ever_had(settings):
    person, client = bob(), McpClient.registered()
    first = client.tokens(person, person.world.customers[0])
    second = client.refresh(first["refresh_token"]).json()
    with person.world.acting():  # long after the first one has ended by itself
        OAuthRefreshToken.objects.filter(revoked__isnull=False).update(expires=timezone.now() - 20 * DAY)

    sweep(settings)

    assert kept(person) == [1, 1, 2]
    assert client.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"  # the family ended
    with person.world.acting():
        assert events().filter(kind="identity:agent:reuse").exists()


@pytest.mark.parametrize("field", ["ended_at", "expires_at"])
def test_a_session_is_forgotten_a_week_after_it_is_over(settings, field):
    person, client = bob(), McpClient.registered()
    tokens = client.tokens(person, person.world.customers[0])
    client.refresh(tokens["refresh_token"])
    live = bob(person.world)
    client.tokens(live, person.world.customers[0])
    now = timezone.now()
    with person.world.acting():
        over = AgentSession.objects.filter(user=person.user)
        over.update(**{"ended_because": "person", field: now - 6 * DAY})
    sweep(settings)
    assert kept(person) == [2, 2, 3]

    with person.world.acting():
        over.update(**{field: now - 8 * DAY})
    sweep(settings)

    assert kept(person) == [1, 1, 1]
    assert client.refresh(tokens["refresh_token"]).json() == {"error": "invalid_grant"}
    with person.world.acting():
        assert AgentSession.objects.get().user_id == live.id


def test_a_code_that_nobody_exchanged_goes_with_its_session(settings):
    person, client = bob(), McpClient.registered()
    code = client.code(person, person.world.customers[0])
    aged(person, expires_at=timezone.now() - 8 * DAY)

    sweep(settings)

    assert kept(person) == [0, 0, 0]
    assert client.exchange(code).json() == {"error": "invalid_grant"}


def test_within_the_week_a_rotated_token_still_raises_its_alarm():
    person, client = bob(), McpClient.registered()
    first = client.tokens(person, person.world.customers[0])
    client.refresh(first["refresh_token"])
    with person.world.acting():
        end_agent_session(AgentSession.objects.get().pk, by=person.actor)
        forget_agent_sessions(timezone.now() + 6 * DAY)

    client.refresh(first["refresh_token"])

    with person.world.acting():
        assert events().filter(kind="identity:agent:reuse").count() == 1


def test_the_sweep_goes_on_after_a_batch(monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 2)
    person, client = bob(), McpClient.registered()
    for _ in range(5):
        client.tokens(person, person.world.customers[0])
    aged(person, expires_at=timezone.now() - 8 * DAY)

    with as_role("worker"), person.world.acting():
        assert forget_agent_sessions() == 5
        assert forget_agent_sessions() == 0


def test_an_assertion_is_remembered_for_as_long_as_it_could_be_presented(settings):
    signer = Signer.registered(make_machine(make_tenant()))
    assertion = signer.assertion(exp=90)
    present(assertion)
    with signer.machine.world.acting():
        ends = SpentAssertion.objects.get().expires_at

    sweep(settings)
    assert present(assertion).status_code == 401

    with as_role("worker"), signer.machine.world.acting():
        assert forget_assertions(ends) == 0
        assert forget_assertions(ends + timedelta(minutes=1)) == 1


def test_every_active_tenant_is_swept(settings):
    people = [bob(make_tenant(name)) for name in ("acme", "globex")]
    for person in people:
        McpClient.registered().tokens(person, person.world.customers[0])
        aged(person, expires_at=timezone.now() - 8 * DAY)

    sweep(settings)

    assert [kept(person) for person in people] == [[0, 0, 0], [0, 0, 0]]


def test_the_sweep_is_the_workers_and_is_scheduled():
    with pytest.raises(Exception, match="worker"):
        sweep_oauth()
    entry = app.conf.beat_schedule["identity.sweep_oauth"]
    assert (entry["task"], entry["options"]["queue"]) == (sweep_oauth.name, "worker")
