"""What a client can see of a grant that a host used by itself: the host's own key has signed what is said of it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from approvals.agent import msplex_agent
from approvals.held import channel
from approvals.held.agents import actor_of, enrol
from approvals.held.models import HeldGrant, HostAgent
from audit.models import Event
from connectors.compact import encoded
from tests.approvals.holding import Held, parts_of
from tests.approvals.test_playbooks import playbook
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.packs.test_replay import Story

pytestmark = pytest.mark.usefixtures("broker")
OWN, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
Told = dict[str, Any]
ENROL, ISSUE, USE, FINISH = (
    "approvals:host_agent:enrol", "approvals:grant:issue", "approvals:grant:use", "gateway:call:finish",
)  # fmt: skip


class Night(Story):
    """The events of one real grant with two steps, its enrolment and its reports, as they are in the log."""

    def __init__(self, world: ConnectedWorld) -> None:
        held = Held(world)
        public = msplex_agent.raw_of(OWN.public_key())
        with as_role("app"):
            assert enrol(held.code, encoded(public), address="")
        grant = held.issued(playbook=playbook())
        for step in (1, 2):
            self.report(held, evidence(grant, step=step))
        held.settle()
        self.customer, self.tenant = held.customer.id, world.tenant.id
        with as_role("app"), world.tenant.acting():
            rows = Event.objects.filter(customer_id=held.customer.id).order_by("id")
            self.events = [(json.loads(bytes(row.header)), json.loads(bytes(row.body or b"{}"))) for row in rows]

    def report(self, held: Held, token: str) -> None:
        with as_role("app"), held.world.tenant.acting():
            agent = HostAgent.objects.select_related("asset").get(id=held.agent.pk)
            channel.report(agent, actor_of(agent), {"evidence": token})


def evidence(grant: HeldGrant, /, key: Ed25519PrivateKey = OWN, **changed: Any) -> str:
    claims = parts_of(grant.token)[1]
    step = changed.get("step", 1)
    said = {
        "agent": claims["agent"], "asset": claims["asset"], "bound": claims["bound"], "claimed_at": claims["iat"],
        "exit_code": 0, "finished_at": claims["iat"], "grant": str(grant.pk), "nonce": grant.nonce, "number": 1,
        "outcome": "succeeded", "tenant": claims["tenant"], "tool": claims["steps"][step - 1]["tool"], "v": 2,
    }  # fmt: skip
    return msplex_agent.signed(key, channel.USE, said | changed)


@pytest.fixture
def night(connected) -> Night:
    return Night(connected)


def test_the_reports_of_a_host_are_checked_with_its_own_key(night: Night, tmp_path: Path) -> None:
    answer = night.verified(tmp_path, night.events)

    assert answer["ok"], answer
    assert (answer["facts"]["reports"], answer["facts"]["reports_elsewhere"]) == (2, 0)


def test_a_report_whose_enrolment_is_in_an_earlier_pack_is_checked_by_its_signature_and_counted(
    night: Night, tmp_path: Path
) -> None:
    later = [(header, told) for header, told in night.events if header["kind"] not in {ENROL, ISSUE}]

    facts = night.verified(tmp_path, later)["facts"]

    assert (facts["reports"], facts["reports_elsewhere"]) == (2, 2)


def resigned(told: Told, key: Ed25519PrivateKey = OWN, **changed: Any) -> Told:
    """As somebody with the log, and with this key, could write it."""
    token = msplex_agent.signed(key, channel.USE, parts_of(told["evidence"])[1] | changed)
    return {"evidence": token}


def bit_flipped(told: Told) -> Told:
    head, claims, signature = told["evidence"].split(".")
    other = claims[:-2] + ("A" if claims[-2] != "A" else "B") + claims[-1]
    return {"evidence": f"{head}.{other}.{signature}"}


def forged(told: Told) -> Told:
    """Signed by another key, under the name of the agent's."""
    head = told["evidence"].split(".")[0]
    said = f"{head}.{encoded(msplex_agent.canonical(parts_of(told['evidence'])[1]))}"
    return {"evidence": f"{said}.{encoded(OTHER.sign(said.encode()))}"}


OTHERS_KEY = encoded(msplex_agent.raw_of(OTHER.public_key()))
TAMPERED: dict[str, tuple[str, Callable[[Told], Told]]] = {
    "the words were changed": (USE, bit_flipped),
    "the words of the call's record were changed": (FINISH, bit_flipped),
    "another key signed, and the agent's is named": (USE, lambda told: resigned(told, OTHER)),
    "another key signed under the agent's name": (USE, forged),
    "another key signed the call's record under the agent's name": (FINISH, forged),
    "another key signed the call's record": (FINISH, lambda told: resigned(told, OTHER)),
    "another key signed and is named": (USE, lambda told: resigned(told, OTHER) | {"agent_key": OTHERS_KEY}),
    "the key was changed": (USE, lambda _: {"agent_key": OTHERS_KEY}),
    "no key": (USE, lambda _: {"agent_key": ""}),
    "no evidence": (USE, lambda _: {"evidence": ""}),
    "not signed": (USE, lambda told: {"evidence": told["evidence"].rpartition(".")[0] + "."}),
    "the enrolled key was changed": (ENROL, lambda _: {"key": OTHERS_KEY}),
    "it failed, and the record says it did not": (FINISH, lambda told: resigned(told, outcome="failed")),
    "another agent": (USE, lambda told: resigned(told, agent=str(uuid4()))),
    "another action": (USE, lambda told: resigned(told, bound="0" * 64)),
    "a step that there is not": (USE, lambda told: resigned(told, step=9)),
    "another step's tool": (USE, lambda told: resigned(told, tool="halopsa_delete_ticket")),
    "a use too many": (USE, lambda told: resigned(told, number=2)),
    "outside the window": (USE, lambda told: resigned(told, claimed_at=4_000_000_000)),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_the_host_did_not_say_is_told_of(night: Night, tmp_path: Path, what: str) -> None:
    kind, change = TAMPERED[what]
    first = next(
        header["id"]
        for header, told in night.events
        if header["kind"] == kind and ("evidence" in told or kind == ENROL)
    )
    events = [(header, told | change(told) if header["id"] == first else told) for header, told in night.events]

    answer = night.verified(tmp_path, events)

    assert answer["problem"]["code"] == "report_unsound", answer


def test_a_use_that_is_told_twice_is_told_of(night: Night, tmp_path: Path) -> None:
    header, told = night.of(USE)

    answer = night.verified(tmp_path, [*night.events, ({**header, "id": str(uuid4())}, told)])

    assert answer["problem"]["code"] == "report_unsound", answer


def test_what_is_on_record_as_a_finding_is_not_held_to_the_grant(night: Night, tmp_path: Path) -> None:
    events = [
        (header, told | resigned(told, claimed_at=4_000_000_000) | {"finding": "outside_window"})
        if header["kind"] == USE else (header, told) for header, told in night.events
    ]  # fmt: skip

    assert night.verified(tmp_path, events)["ok"]


def test_the_enrolment_is_before_its_reports(night: Night) -> None:
    kinds = [header["kind"] for header, _ in night.events]

    assert kinds.index(ENROL) < kinds.index(ISSUE) < kinds.index(USE)
    assert night.of(ENROL)[1]["key"] == night.of(USE)[1]["agent_key"]
    assert datetime.now(UTC) > datetime.fromisoformat(night.of(USE)[0]["occurred_at"])
