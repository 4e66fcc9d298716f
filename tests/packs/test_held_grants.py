"""The client's pack of a month in which a host has acted by itself: it verifies, and replays the same quorum."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from approvals.held import channel
from approvals.held.agents import actor_of, enrol
from approvals.held.models import HostAgent
from audit.canonical import canonical
from audit.models import Event
from audit.packs import format as fmt
from connectors import compact
from tests.approvals.holding import Held, parts_of
from tests.conftest import as_role
from tests.packs.maker import MemoryLog, pem_of, verify
from tests.packs.test_verifier import zipped

pytestmark = pytest.mark.usefixtures("broker")
Told = list[tuple[dict[str, Any], dict[str, Any]]]


def used(held: Held) -> None:
    """Enrolled, issued, used, reported and settled; without a process in between."""
    key = Ed25519PrivateKey.generate()
    with as_role("app"):
        assert enrol(held.code, compact.encoded(compact.raw_of(key.public_key())), address="")
    grant = held.issued()
    claims = parts_of(grant.token)[1]
    said = {
        "agent": claims["agent"], "asset": claims["asset"], "bound": claims["bound"], "claimed_at": claims["iat"],
        "exit_code": 0, "finished_at": claims["iat"], "grant": str(grant.pk), "nonce": grant.nonce, "number": 1,
        "outcome": "succeeded", "tenant": claims["tenant"], "tool": claims.get("steps", [claims])[0]["tool"], "v": 2,
    }  # fmt: skip
    evidence = compact.made(key, channel.USE, canonical(said))
    with as_role("app"), held.world.tenant.acting():
        agent = HostAgent.objects.select_related("asset").get(id=held.agent.pk)
        channel.report(agent, actor_of(agent), {"evidence": evidence})
    assert [use.finding for use in held.settle()] == [""]


def events(held: Held) -> Told:
    with as_role("app"), held.world.tenant.acting():
        rows = Event.objects.filter(customer_id=held.customer.pk).order_by("id")
        return [(json.loads(bytes(row.header)), json.loads(bytes(row.body or b"{}"))) for row in rows]


def verified(tmp_path, customer: UUID, tenant: UUID, told: Told) -> dict[str, Any]:
    log, now = MemoryLog(tenant), datetime.now(UTC)
    for header, body in told:
        raw = canonical(body)
        commit = hashlib.sha256(b"msplex/body/v1\0" + raw).hexdigest()
        entry = fmt.Entry(len(log.entries), len(log.entries), canonical({**header, "body_commit": commit}), raw)
        log.entries.append((customer, entry))
    (tmp_path / "log.pub").write_text(pem_of(log.key))
    month = f"{now:%Y-%m}"
    pack = log.pack(customer, 0, len(told), month=month, cut_at=now, interim=True)
    path = zipped(tmp_path, pack, f"{month}.zip")
    return verify("verify-pack", "--pack", path, "--pubkey", tmp_path / "log.pub")


def test_the_pack_with_a_grant_that_was_held_and_used_is_authentic_and_its_quorum_replayed(connected, tmp_path) -> None:
    held = Held(connected)
    used(held)
    told = events(held)

    kinds = [header["kind"] for header, _ in told]
    for kind in ("approvals:grant:issue", "approvals:grant:use", "gateway:call:intend", "gateway:call:finish"):
        assert kind in kinds
    answer = verified(tmp_path, held.customer.pk, connected.tenant.id, told)
    assert answer["ok"], answer
    assert (answer["facts"]["approvals"], answer["facts"]["votes"]) == (1, 2)


@pytest.mark.parametrize("changed", ["digest", "nonce"])
def test_a_grant_for_something_else_than_was_approved_is_not_sound(connected, tmp_path, changed) -> None:
    held = Held(connected)
    used(held)
    told = [
        (header, body | ({changed: "0" * 64} if header["kind"] == "approvals:grant:issue" else {}))
        for header, body in events(held)
    ]

    answer = verified(tmp_path, held.customer.pk, connected.tenant.id, told)

    assert not answer["ok"]
    assert "what was run is not what was approved" in json.dumps(answer)
