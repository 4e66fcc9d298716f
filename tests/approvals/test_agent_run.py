"""The host agent as a process, and the portal as it is deployed: what is left of a grant when things are killed."""

import signal
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from approvals.agent import msplex_agent
from approvals.binding import exact_text
from approvals.held.agents import revoke_agent
from approvals.held.channel import USE
from approvals.held.models import GrantUse, HeldGrant
from approvals.held.services import revoke_grant
from audit.kinds import EventKind
from billing.models import UsageEvent
from connectors.models import ToolCall
from identity.selectors import acting_principal
from tests.approvals.holding import NOTE, TOOL, Held, Host, parts_of, portal_process
from tests.approvals.test_execution import Approved
from tests.conftest import as_role
from tests.connectors.factories import events_of

pytestmark = pytest.mark.usefixtures("broker")


@pytest.fixture(scope="module")
def portal(_database: None) -> Iterator[str]:
    with portal_process() as (url, _):
        yield url


@pytest.fixture
def held(connected) -> Held:
    return Held(connected)


@pytest.fixture
def host(tmp_path, portal: str, held: Held) -> Host:
    it = Host(tmp_path, portal)
    assert "enrolled" in it.enrol(held.code)
    return it


def fetched(host: Host, held: Held, grant: HeldGrant) -> None:
    """The agent has been told, and is stopped in an orderly way."""
    running = host.start()
    running.says("held")
    assert running.stop(signal.SIGTERM) == 0
    assert held.grant(grant).delivered_at


def alarmed(host: Host) -> None:
    host.alert.touch()


def test_with_everything_stopped_it_fires_once_and_the_report_becomes_the_records_of_a_call(
    held: Held, tmp_path, vendor
) -> None:
    with portal_process() as (url, process):
        host = Host(tmp_path, url)
        assert "enrolled" in host.enrol(held.code)
        grant = held.issued()
        running = host.start()
        running.says(f"held {grant.pk}")
        process.terminate()
        process.wait(20)

        running.says("out of reach")
        host.move(wall=280)
        running.looks()
        assert host.fired() == 0
        host.move(wall=320)
        running.says("succeeded")
        running.looks()
        running.stop()
    assert host.effect.read_text() == "--ticket=11003 --note=Restarted the print spooler\n"
    assert held.calls() == []

    with portal_process() as (url, _):
        host.portal = url
        host.writes("import sys; sys.exit(1)")
        host.moved.unlink()
        running = host.start()
        running.says("reported")
        running.stop()
    assert host.fired() == 1

    [use] = held.settle()
    assert (use.state, use.outcome, use.finding) == ("settled", "succeeded", "")
    [call] = held.calls()
    assert (call.state, call.approval_id, call.arguments) == ("succeeded", grant.request_id, NOTE)
    assert (held.grant(grant).state, held.grant(grant).used) == ("used", 1)
    with as_role("app"), held.world.tenant.acting():
        usage = UsageEvent.objects.get(id=call.pk)
    assert (usage.tool, usage.connector) == ("add_note", "halopsa")
    assert_like_a_normal_call(held, call)


def assert_like_a_normal_call(held: Held, call: ToolCall) -> None:
    """Event for event, and field for field of their bodies, what an approved call leaves behind."""
    approved = Approved(held.world)
    normal = approved.taken()
    approved.ran(normal)
    for kind in (EventKind.APPROVAL_GRANTED, EventKind.APPROVAL_QUORUM):
        bodies = [set(body) for _, body in events_of(held.world, kind)]
        assert {"digest", "nonce"} <= set.intersection(*bodies)
    [(mine, told), (other, said)] = [
        found for found in events_of(held.world, EventKind.CALL_FINISHED) if found[0]["call"]["tool"] == "add_note"
    ]
    assert set(mine) == set(other)
    assert set(told) == set(said) | {"agent_key", "evidence"}
    assert (told["state"], told["billed"], mine["result"]) == (said["state"], said["billed"], other["result"])
    intents = {header["call"]["id"]: body for header, body in events_of(held.world, EventKind.CALL_INTENDED)}
    body = intents[str(call.pk)]
    assert body["approval_request"] == str(call.approval_id)
    claims = parts_of(told["evidence"])[1]
    assert (claims["exit_code"], claims["outcome"], claims["number"]) == (0, "succeeded", 1)
    assert claims["seen"]["seconds_without_contact"] > 300


@pytest.mark.parametrize(
    ("place", "fired", "outcome"),
    [
        ("before persist", 1, "succeeded"),  # by the second process
        ("after persist", 0, "unknown"),
        ("after fire", 1, "unknown"),
        ("before report", 1, "succeeded"),
    ],
)
def test_killed_at_any_point_it_fires_at_most_once_and_says_what_it_knows(
    held: Held, host: Host, place: str, fired: int, outcome: str
) -> None:
    held.issued(heartbeat_lost_minutes=None, critical_alert=True)
    alarmed(host)

    assert host.start(KILL_AT=place).ended()[0] == -signal.SIGKILL
    second = host.start()
    second.says("reported")
    second.stop()

    assert host.fired() == fired
    [use] = held.settle()
    assert (use.outcome, use.finding) == (outcome, "")
    [call] = held.calls()
    assert call.state == outcome
    third = host.start()
    third.says("started")
    third.looks()
    third.stop()
    assert host.fired() == fired
    if outcome == "unknown":
        assert events_of(held.world, EventKind.CALL_UNKNOWN)[0][1]["alert"]
        with as_role("app"), held.world.tenant.acting():
            assert not UsageEvent.objects.exists()


def test_a_use_that_is_killed_while_its_action_runs_is_unknown_and_not_run_again(held: Held, host: Host) -> None:
    held.issued(heartbeat_lost_minutes=None, critical_alert=True)
    effect = f"open({str(host.effect)!r}, 'a').write('once\\n')"
    host.writes(f"import os, signal; {effect}; os.kill(os.getppid(), signal.SIGKILL)")
    alarmed(host)

    assert host.start().ended()[0] == -signal.SIGKILL
    host.writes(effect)
    again = host.start()
    again.says("reported")
    again.looks()
    again.stop()

    assert host.fired() == 1
    assert [use.outcome for use in held.settle()] == ["unknown"]


def test_of_two_agents_in_one_directory_one_works(held: Held, host: Host) -> None:
    first = host.start()
    first.says("started")

    assert "running" in host.start().ended()[1]
    first.stop()


def test_even_without_the_lock_one_of_many_agents_fires(held: Held, host: Host) -> None:
    """As on a disk that is shared and knows no locks."""
    grant = held.issued(heartbeat_lost_minutes=None, critical_alert=True)
    fetched(host, held, grant)
    many = [host.start(WITHOUT_LOCK="yes") for _ in range(4)]
    for each in many:
        each.says("started")
    alarmed(host)
    many[0].looks(12)
    for each in many:
        each.stop()

    assert host.fired() == 1


def evidence(host: Host, grant: HeldGrant, /, **changed: object) -> str:
    """As the agent's own key signs it."""
    agent = host.agent()
    claims = parts_of(grant.token)[1]
    said = {
        "agent": claims["agent"], "asset": claims["asset"], "bound": claims["bound"], "claimed_at": claims["iat"],
        "exit_code": 0, "finished_at": claims["iat"], "grant": str(grant.pk), "nonce": grant.nonce, "number": 1,
        "outcome": "succeeded", "tenant": claims["tenant"], "tool": claims.get("steps", [claims])[0]["tool"], "v": 2,
    } | changed  # fmt: skip
    return msplex_agent.signed(agent._key(), USE, said)


def reported(host: Host, token: str) -> tuple[int, dict[str, object]]:
    agent = host.agent()
    agent.identity = agent.memory.read("identity.json")
    return agent._ask("/held/report", {"evidence": token})


FINDINGS: dict[str, tuple[str, dict[str, object]]] = {
    "another action": ("another_action", {"bound": "0" * 64}),
    "another nonce": ("another_action", {"nonce": "0" * 64}),
    "another asset": ("another_action", {"asset": "0192f000-0000-7000-8000-000000000001"}),
    "another tenant": ("another_action", {"tenant": "0192f000-0000-7000-8000-000000000001"}),
    "another tool": ("another_action", {"tool": "halopsa_delete_ticket"}),
    "more uses than it has": ("too_many_uses", {"number": 2}),
    "before its window": ("outside_window", {"claimed_at": 1_000_000_000}),
    "after its window": ("outside_window", {"claimed_at": 4_000_000_000}),
    "at no time": ("outside_window", {"claimed_at": None}),
    "a grant that there is not": ("unknown_grant", {"grant": "0192f000-0000-7000-8000-000000000001"}),
}


@pytest.mark.parametrize("what", FINDINGS)
def test_a_use_that_does_not_fit_is_recorded_and_alerts(held: Held, host: Host, what: str) -> None:
    finding, changed = FINDINGS[what]
    grant = held.issued()

    assert reported(host, evidence(host, grant, **changed))[0] == 200

    [use] = held.settle()
    assert use.finding == finding
    [(header, body)] = events_of(held.world, EventKind.GRANT_MISUSED)
    assert (header["result"], body["finding"]) == ("refused", finding)
    # What is known to have run is on the record as a call as well.
    assert len(held.calls()) == (0 if finding == "unknown_grant" else 1)
    with as_role("app"), held.world.tenant.acting():
        from audit.models import Alert  # noqa: PLC0415

        assert Alert.objects.filter(kind="grant_misused").count() == 1


def test_what_was_revoked_while_the_agent_was_away_may_have_been_used_and_that_is_said(held: Held, host: Host) -> None:
    grant = held.issued()
    with as_role("app"), held.world.tenant.acting():
        person = held.people[0]
        revoke_grant(grant, principal=acting_principal(person.id), reason="No", by=person.actor)
    revoked_at = held.grant(grant).revoked_at
    assert revoked_at

    assert reported(host, evidence(host, grant, claimed_at=int(revoked_at.timestamp()) + 1))[0] == 200

    [use] = held.settle()
    assert (use.finding, use.outcome) == ("after_revocation", "succeeded")
    assert [call.state for call in held.calls()] == ["succeeded"]
    assert held.grant(grant).state == "revoked"


def test_a_report_is_taken_once_and_another_one_of_the_same_use_alerts(held: Held, host: Host) -> None:
    grant = held.issued()
    token = evidence(host, grant)

    assert [reported(host, token) for _ in range(3)][-1] == (200, {"state": "received", "finding": ""})
    held.settle()
    held.settle()
    assert reported(host, token) == (200, {"state": "settled", "finding": ""})
    assert len(held.calls()) == 1
    assert events_of(held.world, EventKind.GRANT_MISUSED) == []
    assert reported(host, evidence(host, grant, exit_code=1))[0] == 200
    [(_, body)] = events_of(held.world, EventKind.GRANT_MISUSED)
    assert body["finding"] == "reported_otherwise"
    assert len(held.settle()) == 1


@pytest.mark.parametrize("named", [None, "0192f000-0000-7000-8000-000000000001"])
def test_evidence_that_does_not_name_its_agent_is_not_taken(held: Held, host: Host, named: str | None) -> None:
    """The client's pack with it would not be sound, and a host must not be able to spoil that."""
    grant = held.issued()
    fetched(host, held, grant)

    status, said = reported(host, evidence(host, grant, agent=named))

    assert status == 400
    assert "does not name the agent" in str(said)
    with as_role("app"), held.world.tenant.acting():
        assert not GrantUse.objects.exists()


def test_evidence_of_another_key_is_not_taken(held: Held, host: Host) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    grant = held.issued()
    token = msplex_agent.signed(Ed25519PrivateKey.generate(), USE, parts_of(evidence(host, grant))[1])

    assert reported(host, token)[0] == 400
    with as_role("app"), held.world.tenant.acting():
        assert not GrantUse.objects.exists()


class Channel:
    """A request of the agent's, made to be changed on its way."""

    def __init__(self, host: Host) -> None:
        self.agent, self.host = host.agent(), host
        self.agent.identity = self.agent.memory.read("identity.json")
        self.body = b"{}"
        self.when = (int(self.agent.clock.wall()), 10**18 + 7)

    def headers(self, path: str = "/held/sync", **identity: str) -> dict[str, str]:
        given = self.agent.identity | identity
        return msplex_agent.proof(self.agent._key(), given, path, self.body, self.when)

    def send(self, headers: dict[str, str], path: str = "/held/sync", body: bytes | None = None) -> int:
        request = urllib.request.Request(f"{self.host.portal}{path}", self.body if body is None else body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code


def test_only_the_agents_own_requests_are_answered_and_each_once(held: Held, host: Host) -> None:
    it = Channel(host)
    good = it.headers()
    other = {**good, "Signature": f"held=:{'A' * 86}==:"}

    assert it.send({}) == 401
    assert it.send(other) == 401
    assert it.send(good, body=b'{"refused": {}}') == 401
    assert it.send(good, path="/held/report") == 401
    assert it.send(it.headers(issuer="https://evil.example")) == 401
    assert it.send(it.headers(client_id="mspx_h_" + "0" * 32)) == 401
    assert it.send({**good, "Signature-Input": good["Signature-Input"].replace('"@method" ', "")}) == 401
    assert it.send(good) == 200
    assert it.send(good) == 401  # a second time
    it.when = (it.when[0] - 100, it.when[1] + 1)
    assert it.send(it.headers()) == 409
    it.when = (it.when[0] + 100, it.when[1] + 1)
    assert it.send(it.headers()) == 200
    with as_role("app"), held.world.tenant.acting():
        revoke_agent(held.agent, by=held.alice.actor)
    it.when = (it.when[0], it.when[1] + 1)
    assert it.send(it.headers()) == 401


def test_one_agent_is_given_nothing_of_another(held: Held, host: Host, portal: str, tmp_path, connected) -> None:
    from approvals.held.agents import add_agent  # noqa: PLC0415

    held.issued()
    with as_role("app"), connected.tenant.acting():
        _, code = add_agent(connected.tenant.customers[1], name="SRV-2", by=held.alice.actor)
    (tmp_path / "b").mkdir()
    other = Host(tmp_path / "b", portal)
    assert "enrolled" in other.enrol(code)
    agent = other.agent()
    agent.identity = agent.memory.read("identity.json")

    assert agent._ask("/held/sync", {})[1]["grants"] == []


def test_what_the_agent_will_not_do_is_shown_to_people(held: Held, host: Host) -> None:
    grant = held.issued()
    host.writes("", actions={})
    running = host.start()
    running.says("no_action")
    running.looks()
    running.stop()

    assert held.grant(grant).refused_because.startswith("no_action: ")
    assert len(events_of(held.world, EventKind.GRANT_DECLINED)) == 1


def test_what_is_held_can_be_shown(held: Held, host: Host) -> None:
    grant = held.issued()
    fetched(host, held, grant)

    said = host.start("show").ended()[1]

    assert f"holds {grant.pk}: {TOOL} {exact_text(NOTE)}, used 0 of 1" in said


def test_it_enrols_once_and_a_used_code_is_refused(held: Held, host: Host, portal: str, tmp_path) -> None:
    assert "It has enrolled already" in host.enrol(held.code)
    (tmp_path / "b").mkdir()

    assert "code_refused" in Host(tmp_path / "b", portal).enrol(held.code)


def test_a_configuration_that_cannot_be_read_is_said(tmp_path, portal: str) -> None:
    host = Host(tmp_path, portal)
    host.config.write_text("{")

    code, said = host.start().ended()

    assert (code, "config" in said, "Traceback" in said) == (2, True, False)
