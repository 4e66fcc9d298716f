"""Checkpoints and proofs over the API: what a client verifies, and only of events that it may see."""

import base64

import pytest
from django.test import Client

from audit.actors import system
from audit.entries import entry
from audit.kinds import EventKind
from audit.log_keys import log_keys, private_keys, public_of
from audit.services import record
from audit.tlog.note import VerifierKey, verified_by
from audit.tlog.proof import InclusionProof
from audit.tlog.tree import leaf_hash, verify_consistency
from audit.waiting import await_seal
from identity.roles import Role
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.factories import make_tenant
from tests.identity.factories import make_machine

pytestmark = pytest.mark.usefixtures("sealer")
LOG = "/api/v1/audit-log/"


def written(world, customer=None) -> str:
    with world.acting():
        event = record(EventKind.CUSTOMER_CREATED, actor=system("tests"), customer_id=customer and customer.id)
    with acting_for(Context(world.id)):
        await_seal([event], 20)
    return str(event)


@pytest.fixture
def world():
    return make_tenant()


@pytest.fixture
def auditor(world):
    return make_machine(world, Role.VIEWER).api()


def keys_of(origin: str) -> list[VerifierKey]:
    """As whoever checks has got them: from the well-known address."""
    listed = Client().get("/.well-known/msplex-log-keys.json").json()["keys"]
    assert [bool(key["valid_until"]) for key in listed] == [False]
    assert listed[0]["pem"].startswith("-----BEGIN PUBLIC KEY-----")
    return [VerifierKey(origin, VerifierKey.parse(key["vkey"]).public) for key in listed]


def test_an_events_inclusion_is_proved_to_the_letter(world, auditor):
    event = written(world, world.customers[0])
    said = auditor.get(LOG + "inclusion/", {"event": event}).json()
    header = auditor.get(f"/api/v1/audit-events/{event}/").json()["header"].encode()

    proof = InclusionProof.parse(said["proof"].encode())
    assert verified_by(proof.note, keys_of(proof.checkpoint.origin))
    assert proof.holds(leaf_hash(entry(said["k"], header)))
    assert not proof.holds(leaf_hash(entry(said["k"], header.replace(b'"ok"', b'"no"'))))
    assert proof.checkpoint.origin.endswith(f"/audit/{world.id}/e1")
    assert (said["epoch"], said["index"]) == (1, proof.index)
    assert [key.public for key in log_keys()] == [public_of(private_keys()[-1])]


def test_the_logs_growth_is_proved(world, auditor):
    written(world)
    old = auditor.get(LOG).json()
    for _ in range(3):
        written(world)
    new = auditor.get(LOG).json()
    said = auditor.get(LOG + "consistency/", {"old": old["size"], "new": new["size"]}).json()
    assert (said["old"], said["new"]) == (old, new)
    roots = [base64.b64decode(each["root"]) for each in (old, new)]
    path = [base64.b64decode(each) for each in said["hashes"]]
    assert verify_consistency(old["size"], roots[0], new["size"], roots[1], path)
    assert auditor.get(LOG + "checkpoint/", {"size": old["size"]}).json() == old
    tile = auditor.get(LOG + "tile/", {"level": 0, "number": 0}).json()
    assert len(tile["hashes"]) == new["size"]


def test_a_customers_reader_gets_proofs_of_its_own_events_only(world):
    one, two = world.customers[:2]
    theirs, other, nobodys = written(world, one), written(world, two), written(world)
    reader = make_machine(world, Role.CUSTOMER_VIEWER, customers=(one,)).api()
    assert reader.get(LOG + "inclusion/", {"event": theirs}).status_code == 200
    unknown = reader.get(LOG + "inclusion/", {"event": str(uuid7())})
    for event in (other, nobodys):
        answer = reader.get(LOG + "inclusion/", {"event": event})
        assert (answer.status_code, answer.content) == (404, unknown.content)


def test_another_tenants_log_is_not_there(world, auditor):
    globex = make_tenant("globex")
    event = written(globex)
    assert auditor.get(LOG + "inclusion/", {"event": event}).status_code == 404
    written(world)
    assert str(globex.id) not in auditor.get(LOG).content.decode()


@pytest.mark.parametrize(
    ("address", "query", "status"),
    [
        ("inclusion/", {"event": "x"}, 400),
        ("checkpoint/", {"size": 0}, 400),
        ("checkpoint/", {"size": 2**70}, 400),
        ("checkpoint/", {}, 400),
        ("checkpoint/", {"size": 999}, 404),
        ("checkpoint/", {"size": 1, "epoch": 2}, 404),
        ("consistency/", {"old": 2, "new": 1}, 400),
        ("tile/", {"level": 9, "number": 0}, 400),
        ("tile/", {"level": 0, "number": 1}, 404),
        ("tile/", {"level": 1, "number": 0}, 404),
    ],
)
def test_what_cannot_be_is_said(world, auditor, address, query, status):
    written(world)
    answer = auditor.get(LOG + address, query)
    assert answer.status_code == status, answer.content
