"""Several steps under one grant: in their order, each at most once, whatever is killed, and each on the record."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from approvals.agent import msplex_agent as agent
from approvals.agent.msplex_agent import Refused, verified
from approvals.binding import exact_text, tool_digest_of
from approvals.held.agents import enrol
from approvals.held.issuing import TYPE, bound_of
from approvals.held.models import HeldGrant
from approvals.held.playbooks import CONTINUE, STOP, Playbook, Step
from approvals.models import ApprovalRequest, ToolRule
from audit.kinds import EventKind
from billing.models import UsageEvent
from connectors.compact import encoded, opened
from connectors.models import ToolCall
from connectors.signing import believed
from tenants.errors import Invalid
from tests.approvals.holding import NOTE, TOOL, Hands, Held, Host, parts_of, portal_process
from tests.approvals.test_agent_checks import IDENTITY, MSPLEX, UUIDS, Standing, claims
from tests.approvals.test_agent_run import evidence, reported
from tests.conftest import as_role
from tests.connectors.factories import events_of
from tests.portal.test_grants import API, given

pytestmark = pytest.mark.usefixtures("broker")
SECOND = {"ticket_id": 11003, "status_id": 9}
NOTES = tuple({"ticket_id": 7, "note": f"step {each}"} for each in (1, 2, 3))


def playbook(on_failure: str = STOP) -> Playbook:
    steps = [("add_note", NOTE), ("update_ticket", SECOND)]
    return Playbook(tuple(Step(name, each, tool_digest_of("halopsa", name)) for name, each in steps), on_failure)


@pytest.fixture
def held(connected) -> Held:
    it = Held(connected)
    with as_role("app"):
        assert enrol(it.code, encoded(bytes(range(32))), address="")
    return it


# What is signed, and what an agent takes


def steps_of(*arguments: dict[str, Any], on_failure: str = STOP) -> dict[str, Any]:
    """Of the claims of a grant: notes, one after the other."""
    steps = [{"arguments": exact_text(each), "tool": TOOL} for each in arguments]
    return {"v": 2, "steps": steps, "on_failure": on_failure, "arguments": steps[0]["arguments"]}


def signed(**changed: Any) -> str:
    said = {name: value for name, value in claims(**changed).items() if name != "bound"}
    named = {"ctx": agent.BINDING_STEPS, **{name: said.get(name) for name in (*agent.BOUND, *agent.OF_STEPS)}}
    bound = hashlib.sha256(agent.canonical(named)).hexdigest()
    return agent.signed(
        MSPLEX, agent.GRANT, {"bound": bound} | said | {k: v for k, v in changed.items() if k == "bound"}
    )


def test_the_broker_signs_all_steps_and_the_agent_takes_exactly_those(held) -> None:
    grant = held.issued(playbook=playbook())

    claims_ = opened(grant.token, TYPE, believed())
    assert claims_
    assert (claims_["v"], claims_["on_failure"], claims_["bound"]) == (2, "stop", bound_of(claims_))
    assert claims_["steps"] == [
        {"arguments": exact_text(NOTE), "tool": TOOL},
        {"arguments": exact_text(SECOND), "tool": "halopsa_update_ticket"},
    ]
    for name in ("steps", "on_failure"):
        changed = claims_ | {name: claims_["steps"][:1] * 2 if name == "steps" else "continue"}
        assert bound_of(changed) != claims_["bound"]


def test_an_agent_takes_a_grant_with_steps() -> None:
    grant = verified(signed(**steps_of(*NOTES)), IDENTITY)

    assert [step.arguments for step in grant.steps] == list(NOTES)
    assert grant.stops


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": []},
        {"steps": [{"arguments": "{}", "tool": TOOL}]},
        {"steps": [{"arguments": "{}", "tool": TOOL}] * 11},
        {"steps": [{"arguments": "{}", "tool": TOOL, "when": "now"}] * 2},
        {"steps": [{"arguments": 7, "tool": TOOL}] * 2},
        {"steps": "rm -rf"},
        {"on_failure": "ask"},
        {"on_failure": None, "v": 1},
        {"arguments": "{}"},
    ],
    ids=str,
)
def test_steps_of_another_form_are_refused(changed) -> None:
    with pytest.raises(Refused) as refused:
        verified(signed(**steps_of(*NOTES) | changed), IDENTITY)
    assert refused.value.code in {"malformed", "digest"}


def test_no_step_can_be_changed_even_by_who_has_the_key() -> None:
    good = parts_of(signed(**steps_of(*NOTES)))[1]
    other = [*good["steps"][:2], {"arguments": '{"note":"y","ticket_id":7}', "tool": TOOL}]

    with pytest.raises(Refused) as refused:
        verified(agent.signed(MSPLEX, agent.GRANT, good | {"steps": other}), IDENTITY)
    assert refused.value.code == "digest"


# What an agent does


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path, "https://msplex.example")


def several(host: Host, on_failure: str = STOP) -> Standing:
    now = int(Hands().wall())
    condition = {"critical_alert": True, "heartbeat_lost_minutes": 0}
    window = {"nbf": now - 5, "exp": now + 3600, "iat": now, "condition": condition}
    return Standing(host, signed(**steps_of(*NOTES, on_failure=on_failure) | window))


def done(host: Host) -> list[str]:
    return [line.rpartition("=")[2] for line in host.effect.read_text().splitlines()] if host.effect.exists() else []


def outcomes(it: Standing) -> list[tuple[int, str]]:
    memory = it.agent.memory
    tokens = [memory.read(f"uses/{name}.done")["evidence"] for name in memory.names("uses", ".done")]
    told = [parts_of(token)[1] for token in tokens]
    return [(each["step"], each["outcome"]) for each in told]


def fails_at(host: Host, word: str) -> None:
    host.writes(
        f"import sys; open({str(host.effect)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10));"
        f" sys.exit({word!r} in sys.argv[2])"
    )


def test_steps_are_done_in_their_order_once_and_each_is_reported(host) -> None:
    it = several(host)
    host.alert.touch()

    it.look()
    it.look()

    assert done(host) == ["step 1", "step 2", "step 3"]
    assert outcomes(it) == [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]
    told = [parts_of(said["evidence"])[1] for path, said in it.cut.asked if path == "/held/report"]
    assert [(each["number"], each["step"], each["tool"]) for each in told] == [(1, step, TOOL) for step in (1, 2, 3)]


@pytest.mark.parametrize(("on_failure", "steps"), [(STOP, 2), (CONTINUE, 3)])
def test_a_step_that_fails_stops_the_others_or_not_as_was_agreed(host, on_failure, steps) -> None:
    it = several(host, on_failure)
    fails_at(host, "step 2")
    it.agent.config["actions"] = json.loads(host.config.read_text())["actions"]
    host.alert.touch()

    it.look()
    it.look()

    assert len(done(host)) == steps
    assert outcomes(it)[1] == (2, "failed")


def test_without_a_command_for_one_step_none_is_begun(host) -> None:
    it = several(host)
    it.agent.config["actions"] = {}
    host.alert.touch()

    assert it.look() == 0


class Killed(BaseException):
    """As if the process had ended here."""


def killed_at(it: Standing, monkeypatch, place: str, step: int) -> None:
    name = f".s{step:02}" if step > 1 else ".001"
    claim, finish = agent.Memory.claim, agent.Agent._finish

    def claims_(self: Any, path: str, value: Any) -> bool:
        if place == "before" and path.removesuffix(".claim").endswith(name):
            raise Killed
        return claim(self, path, value)

    def finishes(self: Any, path: str, *rest: Any) -> None:
        if place == "during" and path.endswith(name):
            raise Killed
        finish(self, path, *rest)

    monkeypatch.setattr(agent.Memory, "claim", claims_)
    monkeypatch.setattr(agent.Agent, "_finish", finishes)
    host_alert(it)
    with pytest.raises(Killed):
        it.look()
    monkeypatch.undo()
    os.close(it.agent.memory._held)  # as the end of a process lets go of it


def host_alert(it: Standing) -> None:
    it.host.alert.touch()


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("on_failure", [STOP, CONTINUE])
@pytest.mark.parametrize("place", ["before", "during"])
def test_killed_between_or_in_steps_none_is_done_twice(host, monkeypatch, place, on_failure, step) -> None:
    it = several(host, on_failure)
    killed_at(it, monkeypatch, place, step)
    host.alert.unlink()  # what was begun is ended, whether or not there is still an alert

    again = Standing(host, *it.tokens)
    again.look()
    again.look()

    every = ["step 1", "step 2", "step 3"]
    stopped = place == "during" and on_failure == STOP
    assert done(host) == (every[:step] if stopped else every)
    assert len(done(host)) == len(set(done(host)))
    if place == "during":
        assert outcomes(again)[step - 1] == (step, "unknown")


@pytest.mark.parametrize("why", ["revoked", "over"])
def test_what_is_left_is_not_done_once_the_grant_is_revoked_or_its_window_is_over(host, monkeypatch, why) -> None:
    it = several(host)
    killed_at(it, monkeypatch, "before", 2)
    if why == "revoked":
        it.agent.memory.write("revoked.json", [UUIDS[6]])
    else:
        monkeypatch.setattr(Hands, "wall", lambda self: time.time() + 4000 + self.away)

    Standing(host, *it.tokens).look()

    assert done(host) == ["step 1"]


# What becomes of it here


@pytest.fixture(scope="module")
def portal(_database: None) -> Iterator[str]:
    with portal_process() as (url, _):
        yield url


def test_each_step_becomes_the_records_of_a_call(connected, tmp_path, portal) -> None:
    held = Held(connected)
    host = Host(tmp_path, portal)
    host.enrol(held.code)
    program = f"import sys; open({str(host.effect)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    host.writes(program)
    told = json.loads(host.config.read_text())
    argv = [*told["actions"][TOOL]["argv"][:3], "--ticket={ticket_id}", "--status={status_id}"]
    told["actions"]["halopsa_update_ticket"] = {"argv": argv, "seconds": 20}
    host.config.write_text(json.dumps(told))
    grant = held.issued(heartbeat_lost_minutes=None, critical_alert=True, playbook=playbook())
    host.alert.touch()
    running = host.start()
    running.says("reported use", ".s02")
    assert running.stop(signal.SIGTERM) == 0

    uses = held.settle()

    assert [(use.step, use.outcome, use.finding) for use in uses] == [(1, "succeeded", ""), (2, "succeeded", "")]
    with as_role("app"), connected.tenant.acting():
        calls = list(ToolCall.objects.filter(approval_id=grant.request_id).order_by("id"))
        metered = set(UsageEvent.objects.values_list("id", "tool"))
    assert [(call.tool, call.arguments, call.state) for call in calls] == [
        ("add_note", NOTE, "succeeded"), ("update_ticket", SECOND, "succeeded"),
    ]  # fmt: skip
    assert metered == {(calls[0].pk, "add_note"), (calls[1].pk, "update_ticket")}
    assert "step 2 of 2" in calls[1].verdicts[0]["detail"]
    assert (held.grant(grant).used, held.grant(grant).state) == (1, "used")
    tokens = [body["token"] for _, body in events_of(connected, EventKind.CALL_INTENDED)]
    assert tokens == [f"{grant.nonce}/1", f"{grant.nonce}/1/2"]
    assert len(events_of(connected, EventKind.CALL_FINISHED)) == 2


@pytest.mark.parametrize(
    "changed",
    [{"step": 3, "tool": TOOL}, {"step": 2, "tool": TOOL}, {"step": 2, "tool": "halopsa_delete"}],
    ids=["no such step", "another step's tool", "another tool"],
)
def test_a_step_that_was_not_agreed_to_is_a_finding(connected, tmp_path, portal, changed) -> None:
    held, host = Held(connected), Host(tmp_path, portal)
    host.enrol(held.code)
    grant = held.issued(playbook=playbook())

    assert reported(host, evidence(host, grant, **changed))[0] == 200

    assert [use.finding for use in held.settle()] == ["another_action"]
    assert len(events_of(connected, EventKind.GRANT_MISUSED)) == 1


def test_a_tool_of_a_later_step_that_has_changed_voids_the_grant(held, monkeypatch) -> None:
    request = held.approved(playbook=playbook())
    real = tool_digest_of
    other = lambda connector, tool, rows=(): "0" * 64 if tool == "update_ticket" else real(connector, tool, rows)  # noqa: E731
    monkeypatch.setattr("approvals.held.issuing.tool_digest_of", other)

    assert held.issue(request) is None
    assert "step 2" in held.request(request).because


def test_as_many_people_as_any_step_needs_by_the_policy_of_now(held) -> None:
    request = held.approved(playbook=playbook())
    with as_role("app"), held.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Three", effect="approval", approvers=3, tool="halopsa_update_ticket")

    assert held.issue(request) is None
    assert "Not enough" in held.request(request).because


def test_eleven_steps_are_too_many(held) -> None:
    step = playbook().steps[0]
    with pytest.raises(Invalid) as error:
        held.terms(playbook=Playbook((step,) * 11)).check(datetime.now(UTC))
    assert error.value.field == "then"


# Asking for one


THEN = [{"tool": "halopsa_update_ticket", "arguments": SECOND}]


def requests_of(held: Held) -> list[ApprovalRequest]:
    with as_role("app"), held.world.tenant.acting():
        return list(ApprovalRequest.objects.order_by("id"))


def test_a_page_asks_for_steps_and_shows_them_all(held) -> None:
    with as_role("app"):
        browser = held.alice.browser()
        values = given(held.agent, code=held.alice.code(), then=json.dumps(THEN), on_failure=CONTINUE)
        answer = browser.post(reverse("portal:grant_new"), values)
        page = " ".join(browser.get(answer.headers["Location"]).content.decode().split())

    [request] = requests_of(held)
    assert request.terms["on_failure"] == CONTINUE
    assert [each["tool"] for each in request.terms["steps"]] == ["add_note", "update_ticket"]
    for told in ("Step 1", "Step 2", "halopsa_update_ticket", "status_id", "the next one is done"):
        assert told in page


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ('{"tool": "x"}', "Give a list such as"),
        ('[{"tool": "halopsa_nothing"}]', "Step 2: There is no such tool"),
        ('[{"tool": "halopsa_add_note", "arguments": {"ticket_id": "x"}}]', "Step 2: "),
        ('[{"tool": "halopsa_add_note", "arguments": {"ticket_id": 1, "note": "a", "password": "b"}}]', "secret"),
    ],
)
def test_a_step_that_cannot_be_is_said_beside_the_field(held, then, said) -> None:
    with as_role("app"):
        answer = held.alice.browser().post(reverse("portal:grant_new"), given(held.agent, code="000000", then=then))

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert requests_of(held) == []


def test_the_strictest_rule_of_all_steps_holds(held) -> None:
    with as_role("app"):
        with held.world.tenant.acting():
            ToolRule.objects.create(
                position=1, name="Four", effect="approval", approvers=4, tool="halopsa_update_ticket"
            )
        until = (datetime.now(UTC) + timedelta(hours=9)).isoformat()
        body = {
            "agent": str(held.agent.pk), "tool": TOOL, "arguments": NOTE, "then": THEN, "on_failure": "stop",
            "heartbeat_lost_minutes": 5, "not_after": until, "reason": "Nights",
        }  # fmt: skip
        answer = held.alice.browser().post(
            API, body, content_type="application/json", headers={"X-TOTP-Code": held.alice.code()}
        )

    assert answer.status_code == 201
    assert answer.json()["need"] == 4


def test_a_grant_tells_its_steps_over_the_api(held) -> None:
    grant: HeldGrant = held.issued(playbook=playbook())
    with as_role("app"):
        told = held.alice.browser().get(f"{API}{grant.pk}/").json()

    assert told["steps"] == [{"tool": "add_note", "arguments": NOTE}, {"tool": "update_ticket", "arguments": SECOND}]
    assert told["on_failure"] == "stop"
