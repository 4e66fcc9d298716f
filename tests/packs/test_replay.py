"""What a client can see of an approval without MSPlex: that enough different people had agreed to exactly this."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from approvals.models import ApprovalRequest
from approvals.voting import approve_with_passkey, begin_passkey
from audit.canonical import canonical
from audit.models import Event
from audit.packs import format as fmt
from audit.verifier import msplex_verify as verifier
from identity.roles import Role
from identity.selectors import acting_principal
from tests.approvals.asking import Desk, approve, passkey_of
from tests.factories import make_tenant
from tests.identity.factories import Person, acting_as, make_member
from tests.packs.maker import MemoryLog, pem_of, verify
from tests.packs.test_verifier import zipped

Told = dict[str, Any]
CREATE, VOTE, QUORUM, GRANT = (
    "approvals:request:create", "approvals:vote:approve", "approvals:request:approve", "approvals:grant:issue",
)  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"


def approve_by_passkey(person: Person, request: ApprovalRequest) -> None:
    device, session = passkey_of(person)
    with acting_as(person):
        principal = dataclasses.replace(acting_principal(person.id), session_id=session)
        asked = begin_passkey(request, principal=principal)
        answer = device.sign(asked.options)
        assert approve_with_passkey(request, principal=principal, state=asked.state, answer=answer, by=person.actor)


class Story:
    """The events of one real approval by two people, and of its run, as they are in the log; and in any other form."""

    def __init__(self) -> None:
        desk = Desk(make_tenant(), need=2, factors=("admin", "owner"))
        request = desk.asked()
        alice, bob = (make_member(desk.world, role, name=role.value) for role in (Role.ADMIN, Role.OWNER))
        approve(alice, request)
        approve_by_passkey(bob, request)
        self.customer, self.tenant = desk.world.customers[0].id, desk.world.id
        with desk.world.acting():
            rows = Event.objects.filter(subject_id=request.pk).order_by("id")
            self.events = [(json.loads(bytes(row.header)), json.loads(bytes(row.body))) for row in rows]
        header, told = self.of(QUORUM)
        run = {"digest": told["digest"], "nonce": told["nonce"], "grant": "", "signature": ""}
        self.events.append(({**header, "kind": GRANT, "id": str(uuid4())}, run))

    def of(self, kind: str) -> tuple[Told, Told]:
        return next((header, told) for header, told in self.events if header["kind"] == kind)

    def log(self, events: list[tuple[Told, Told]]) -> MemoryLog:
        log = MemoryLog(self.tenant)
        for header, told in events:
            body = canonical(told)
            commit = hashlib.sha256(b"msplex/body/v1\0" + body).hexdigest()
            entry = fmt.Entry(len(log.entries), len(log.entries), canonical({**header, "body_commit": commit}), body)
            log.entries.append((self.customer, entry))
        return log

    def verified(self, tmp_path: Path, events: list[tuple[Told, Told]], start: int = 0) -> dict[str, Any]:
        log, now = self.log(events), datetime.now(UTC)
        (tmp_path / "log.pub").write_text(pem_of(log.key))
        month = f"{now:%Y-%m}"
        pack = log.pack(self.customer, start, len(events), month=month, cut_at=now, interim=True)
        path = zipped(tmp_path, pack, f"{month}.zip")
        return verify("verify-pack", "--pack", path, "--pubkey", tmp_path / "log.pub")


@pytest.fixture(scope="module")
def story(sealer: None) -> Story:
    return Story()


def test_an_approval_is_replayed_from_its_events(story: Story, tmp_path: Path) -> None:
    answer = story.verified(tmp_path, story.events)

    assert answer["ok"], answer
    facts = answer["facts"]
    assert (facts["approvals"], facts["votes"], facts["votes_signed"], facts["approvals_elsewhere"]) == (1, 2, 1, 0)


def test_what_began_before_the_pack_is_said_not_to_be_looked_at(story: Story, tmp_path: Path) -> None:
    facts = story.verified(tmp_path, story.events, start=1)["facts"]

    assert (facts["approvals"], facts["approvals_elsewhere"]) == (0, 1)


def _later(told: Told) -> str:
    return (datetime.fromisoformat(told["decide_by"]) + timedelta(minutes=2)).isoformat(timespec="microseconds")


def _first_vote_twice(told: Told) -> Told:
    return {"votes": [told["votes"][0]] * 2}


CHANGES: dict[str, tuple[str, Callable[[Told], Told]]] = {
    "more were needed": (QUORUM, lambda told: {"quorum": {**told["quorum"], "need": 3}}),
    "one counts twice": (QUORUM, _first_vote_twice),
    "one never voted": (QUORUM, lambda told: {"votes": [told["votes"][0], {**told["votes"][1], "approver": NOBODY}]}),
    "one is left out": (QUORUM, lambda told: {"votes": told["votes"][:1]}),
    "a role is missing": (QUORUM, lambda told: {"votes": [told["votes"][0], {**told["votes"][1], "roles": []}]}),
    "who asked has voted": (QUORUM, lambda told: {"requester": told["votes"][0]["approver"]}),
    "who answers for it has voted": (QUORUM, lambda told: {"answerable": told["votes"][1]["approver"]}),
    "another action was decided about": (QUORUM, lambda _: {"digest": "0" * 64}),
    "by another time": (QUORUM, lambda told: {"decide_by": _later(told)}),
    "too late": (QUORUM, lambda told: {"approved_at": _later(told)}),
    "a vote too late": (QUORUM, lambda told: {"votes": [{**vote, "at": _later(told)} for vote in told["votes"]]}),
    "nobody is named": (QUORUM, lambda _: {"votes": []}),
    "a vote for another action": (VOTE, lambda _: {"digest": "0" * 64}),
    "another action was run": (GRANT, lambda _: {"digest": "0" * 64}),
    "another nonce was run": (GRANT, lambda _: {"nonce": "0"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_log_that_says_of_itself_that_an_approval_is_not_sound_is_told_of(
    story: Story, tmp_path: Path, what: str
) -> None:
    kind, change = CHANGES[what]
    events = [(header, told | change(told) if header["kind"] == kind else told) for header, told in story.events]

    answer = story.verified(tmp_path, events)

    assert answer["problem"]["code"] == "quorum_unsound", answer


@pytest.mark.parametrize("name", ["signature", "client_data", "authenticator_data", "public_key"])
@pytest.mark.parametrize("value", ["", "AAAA", None])
def test_a_passkeys_signature_has_to_fit(story: Story, tmp_path: Path, name: str, value: str | None) -> None:
    events = [
        (header, {**told, "proof": {**told["proof"], name: value}} if "proof" in told else told)
        for header, told in story.events
    ]
    if (name, value) == ("public_key", "AAAA") or (name, value) == ("public_key", ""):
        assert story.verified(tmp_path, events)["facts"]["votes_signed"] == 0  # a kind of key that is not known here
    else:
        assert story.verified(tmp_path, events)["problem"]["code"] == "quorum_unsound"


def test_a_signature_for_one_person_is_none_for_another(story: Story, tmp_path: Path) -> None:
    events = [
        ({**header, "actor": {**header["actor"], "id": NOBODY}}, told)
        if "proof" in told else (header, told) for header, told in story.events
    ]  # fmt: skip

    assert story.verified(tmp_path, events)["problem"]["code"] == "quorum_unsound"


@pytest.mark.parametrize("kind", [VOTE, GRANT])
def test_nothing_counts_twice(story: Story, tmp_path: Path, kind: str) -> None:
    header, told = story.of(kind)
    events = [*story.events, ({**header, "id": str(uuid4())}, told)]

    assert story.verified(tmp_path, events)["problem"]["code"] == "quorum_unsound"


def test_what_was_run_without_a_quorum_is_told_of(story: Story, tmp_path: Path) -> None:
    events = [(header, told) for header, told in story.events if header["kind"] != QUORUM]

    assert story.verified(tmp_path, events)["problem"]["code"] == "quorum_unsound"


def test_ecdsa_is_that_of_a_library() -> None:
    for _ in range(8):
        key, message = ec.generate_private_key(ec.SECP256R1()), random.randbytes(40)
        numbers = key.public_key().public_numbers()
        public, signature = (numbers.x, numbers.y), key.sign(message, ec.ECDSA(SHA256()))
        assert verifier.p256_verify(public, signature, message)
        assert not verifier.p256_verify(public, signature, message + b"x")
        r, s = decode_dss_signature(signature)
        for other in ((s, r), (0, s), (r, 0), (r + verifier.N, s)):
            assert not verifier.p256_verify(public, encode_dss_signature(*other), message)
        assert not verifier.p256_verify((numbers.x, numbers.y + 1), signature, message)
        for broken in (b"", signature[:-1], signature + b"\0", b"\x30\x06\x02\x01\x00\x02\x01\x00", bytes(72)):
            assert not verifier.p256_verify(public, broken, message)
