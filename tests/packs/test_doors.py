"""Packs as people and programs get them: their own customer's, by portal and API, on the record."""

import base64
import io
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.log_keys import private_keys
from audit.models import Cosignature, Event, HandoverDomain, Pack
from audit.packs import document, files, services, work
from audit.packs import format as fmt
from audit.packs.errors import DomainInvalid
from audit.tlog.note import Note, sign
from audit.verifier import msplex_verify as verifier
from identity.oauth.errors import DocumentRefused
from identity.roles import Role
from identity.services import handover_domains
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import make_machine, make_member
from tests.packs.maker import verify
from tests.packs.rooms import Desk, person

ALICE = person("alice@msp.example", uuid4())


@pytest.fixture
def desk(room, monkeypatch) -> Desk:
    made = Desk(room, room.tenant())
    made.happen(made.customer, by=ALICE, times=3)
    made.happen(made.world.customers[1], by=ALICE)
    made.seal()
    if not hasattr(document, "_kept"):
        document._kept = document.write('<html lang="en"><title>x</title><body><h1>x</h1></body></html>')
    monkeypatch.setattr(work, "render", lambda *_: document._kept)
    return made


@pytest.fixture
def ready(desk, monkeypatch) -> Pack:
    packs = [desk.build(each, monkeypatch) for each in desk.cut()]
    return next(pack for pack in packs if pack.customer_id == desk.customer.pk)


def address(pack: Pack, query: str = "") -> str:
    return f"/api/v1/audit-packs/{pack.pk}/download/?{query}"


def events_of(desk: Desk, kind: EventKind) -> list[dict]:
    with desk.room.enter("app"), desk.world.acting():
        return [event.facts for event in Event.objects.filter(kind=kind).order_by("id")]


def test_a_client_takes_its_own_evidence_home_and_checks_it(desk, ready, tmp_path):
    """A read-only person of the customer, through the portal; the key page from the well-known address."""
    with desk.room.enter("app"):
        dana = make_member(desk.world, Role.CUSTOMER_VIEWER, customer=desk.customer).browser()
        listed = dana.get(reverse("portal:packs")).content.decode()
        taken = dana.get(reverse("portal:pack_download", args=[ready.pk]) + "?format=zip")
        program, page = dana.get("/.well-known/msplex_verify.py"), dana.get("/.well-known/msplex-log-keys.json")

    assert "2026-11" in listed
    assert taken.status_code == 200
    for name, content in (("pack.zip", taken.content), ("msplex_verify.py", program.content), ("keys", page.content)):
        (tmp_path / name).write_bytes(content)
    assert program.content == verifier.__loader__.get_data(verifier.__file__)
    verify("verify-pack", "--pack", tmp_path / "pack.zip", "--pubkey", tmp_path / "keys", expect=0)
    downloads = events_of(desk, EventKind.PACK_DOWNLOADED)
    assert [each["format"] for each in downloads] == ["zip"]


def test_another_customer_s_pack_does_not_exist(desk, ready):
    with desk.room.enter("app"):
        other = make_member(desk.world, Role.CUSTOMER_VIEWER, customer=desk.world.customers[1])
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.world.customers[1],)).api()
        browser = other.browser()
        rooms = [
            browser.get(reverse(f"portal:{name}", args=[ready.pk]))
            for name in ("pack", "pack_progress", "pack_download")
        ]
        answers = [machine.get(address(ready)), machine.get(f"/api/v1/audit-packs/{ready.pk}/")]
        listed = machine.get("/api/v1/audit-packs/").json()["results"]

    assert {response.status_code for response in (*rooms, *answers)} == {404}
    assert {row["customer"] for row in listed} == {str(desk.world.customers[1].pk)}


def test_each_form_is_given_out(desk, ready):
    with desk.room.enter("app"):
        api = make_machine(desk.world, Role.VIEWER).api()
        got = {form: api.get(address(ready, f"format={form}")) for form in ("pdf", "jsonl", "zip", "sig")}
        unknown, default = api.get(address(ready, "format=exe")), api.get(address(ready))

    assert {response.status_code for response in got.values()} == {200}
    assert got["pdf"].content.startswith(b"%PDF-")
    assert zipfile.ZipFile(io.BytesIO(got["zip"].content)).testzip() is None
    assert got["sig"].content.decode().startswith(fmt.sums_of({}).decode())
    assert default.content == got["zip"].content
    assert unknown.status_code == 400
    assert list(unknown.json()["fields"]) == ["format"]
    key = desk.customer.key
    assert got["jsonl"]["Content-Disposition"] == f'attachment; filename="{key}-2026-11.jsonl.gz"'


def test_without_the_record_there_is_no_download(desk, ready, monkeypatch):
    def broken(*_, **__):
        raise AuditUnavailable

    monkeypatch.setattr(services, "record", broken)
    with desk.room.enter("app"):
        answer = make_machine(desk.world, Role.VIEWER).api().get(address(ready))
    assert answer.status_code == 503


def test_a_handover_is_built_when_it_is_asked_for(desk, ready, monkeypatch, tmp_path):
    with desk.room.enter("app"), desk.world.acting():
        HandoverDomain.objects.create(name="msp.example", token="t", added_by="t", verified_at=datetime.now(UTC))
    query = "format=pdf&actor_filter=@msp.example"
    with desk.room.enter("app"):
        api = make_machine(desk.world, Role.VIEWER).api()
        first = api.get(address(ready, query))
        again = api.get(address(ready, query))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first["Retry-After"] == "5"
    assert first.json()["id"] == again.json()["id"]

    pack = desk.build(first.json()["id"], monkeypatch)
    with desk.room.enter("app"):
        done = api.get(address(ready, query))
    assert (done.status_code, done["Content-Type"]) == (200, "application/pdf")
    assert pack.domain == "@msp.example"
    verify("verify-pack", "--pack", desk.zip(pack, tmp_path), "--pubkey", desk.pubkey(tmp_path), expect=0)


def test_a_handover_of_an_unverified_domain_is_refused(desk, ready):
    with desk.room.enter("app"):
        api = make_machine(desk.world, Role.VIEWER).api()
        for text in ("@msp.example", "%25@msp.example", "msp.example", "@msp.example.evil.example"):
            answer = api.get(address(ready, f"format=pdf&actor_filter={text}"))
            assert (answer.status_code, list(answer.json()["fields"])) == (400, ["actor_filter"])


def test_a_client_asks_for_the_month_so_far(desk):
    with desk.room.enter("app"):
        month = datetime.now(UTC).strftime("%Y-%m")
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.customer,)).api()
        mine = {"customer": str(desk.customer.pk), "month": month}
        ordered = machine.post("/api/v1/audit-packs/", mine, content_type="application/json")
        other = machine.post(
            "/api/v1/audit-packs/",
            mine | {"customer": str(desk.world.customers[1].pk)},
            content_type="application/json",
        )
        early = machine.get(f"/api/v1/audit-packs/{ordered.json()['id']}/download/")
        browser = make_member(desk.world, Role.CUSTOMER_VIEWER, customer=desk.customer).browser()
        page = browser.get(reverse("portal:pack", args=[ordered.json()["id"]])).content.decode()
        form = browser.post(reverse("portal:pack_order"), {"customer": str(desk.customer.pk)})

    assert (ordered.status_code, ordered.json()["interim"], ordered.json()["state"]) == (202, True, "queued")
    assert (other.status_code, early.status_code, early.json()["code"]) == (400, 409, "pack_not_ready")
    assert 'hx-trigger="every 2s"' in page
    assert form["Location"] == reverse("portal:pack", args=[ordered.json()["id"]])


def test_a_month_that_cannot_be_asked_for_is_refused(desk):
    with desk.room.enter("app"):
        machine = make_machine(desk.world, Role.VIEWER).api()
        answers = [
            machine.post(
                "/api/v1/audit-packs/",
                {"customer": str(desk.customer.pk), "month": month},
                content_type="application/json",
            )
            for month in ("2020-01", "2026-13", "x")
        ]
    assert {(answer.status_code, *answer.json()["fields"]) for answer in answers} == {(400, "month")}


# Domains.


def test_a_domain_counts_only_while_its_file_says_the_token(monkeypatch):
    world = make_tenant()
    with world.acting():
        domain = services.add_domain("MSP.Example", by=ALICE)
    said: dict = {}

    def fetch(url, **_):
        assert url == "https://msp.example/.well-known/msplex-handover.json"
        if "json" not in said:
            raise DocumentRefused("answered 404")
        return said["json"]

    monkeypatch.setattr(handover_domains, "fetch_document", fetch)

    def checked() -> bool:
        with as_role("worker"), acting_for(Context(world.id)):
            return handover_domains.check_domain(domain.pk)

    answers = [None, {"tokens": ["other"]}, {"tokens": domain.token}, [], {"tokens": [domain.token]}]
    verdicts = []
    for answer in answers:
        said.clear()
        if answer is not None:
            said["json"] = answer
        verdicts.append(checked())
    said.clear()
    verdicts.append(checked())

    assert verdicts == [False, False, False, False, True, False]
    with world.acting():
        assert HandoverDomain.objects.get().verified_at is None
        kinds = Event.objects.filter(subject_kind="handover_domain").order_by("id").values_list("kind", flat=True)
        assert list(kinds) == [
            EventKind.HANDOVER_DOMAIN_ADDED, EventKind.HANDOVER_DOMAIN_VERIFIED, EventKind.HANDOVER_DOMAIN_LOST,
        ]  # fmt: skip


def test_verified_domains_are_looked_at_again_every_day():
    world = make_tenant()
    now = datetime.now(UTC)
    with world.acting():
        domain = services.add_domain("msp.example", by=ALICE)
    with as_role("worker"), world.acting():
        HandoverDomain.objects.update(verified_at=now, checked_at=now)
        assert handover_domains.domains_to_check(now) == []
        assert handover_domains.domains_to_check(now + timedelta(days=1)) == [domain.pk]


@pytest.mark.parametrize(
    "name", ["", "msp", "msp.example/x", "a@msp.example", "-x.example", "msp..example", "\uff4d\uff53p.example"]
)
def test_what_is_no_domain_is_refused(name):
    world = make_tenant()
    with world.acting(), pytest.raises(DomainInvalid):
        services.add_domain(name, by=ALICE)


def test_only_an_owner_with_a_recent_second_factor_adds_a_domain():
    world = make_tenant()
    owner, admin = make_member(world, Role.OWNER), make_member(world, Role.ADMIN)
    browser = owner.browser()
    owner.confirmed(ago=timedelta(minutes=16))
    late = browser.post(reverse("portal:pack_domains"), {"domain": "msp.example"})
    owner.confirmed(ago=timedelta(minutes=1))
    fresh = browser.post(reverse("portal:pack_domains"), {"domain": "msp.example"})

    assert late["Location"] == reverse("portal:step_up")
    assert fresh["Location"] == reverse("portal:pack_domains")
    assert "msp.example" in browser.get(reverse("portal:pack_domains")).content.decode()
    assert admin.browser().get(reverse("portal:pack_domains")).status_code == 403


# Witnesses.


def cosigned(note: bytes, name: str = "acme.example") -> tuple[str, str]:
    key = verifier.WitnessKey(name, bytes(range(32)))
    parsed = verifier.parse_note(note, "the note")
    return note.decode() + key.cosignature(parsed, 1_780_000_000), key.vkey


def signed_by_the_log(text: str, origin: str) -> bytes:
    return str(Note(text, (sign(text, private_keys()[-1], origin),))).encode()


def test_a_cosignature_is_kept_beside_its_checkpoint(desk, ready):
    note, witness = cosigned(desk.files(ready)["checkpoint"])
    terms = {"customer": str(desk.customer.pk), "note": note, "witness": witness}
    with desk.room.enter("app"):
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.customer,)).api()
        made = machine.post("/api/v1/audit-cosignatures/", terms, content_type="application/json")
        machine.post("/api/v1/audit-cosignatures/", terms, content_type="application/json")
        listed = machine.get("/api/v1/audit-cosignatures/").json()["results"]
        browser = make_member(desk.world, Role.CUSTOMER_VIEWER, customer=desk.customer).browser()
        page = browser.get(reverse("portal:pack", args=[ready.pk])).content.decode()
        other = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.world.customers[1],)).api()
        theirs = other.get("/api/v1/audit-cosignatures/").json()["results"]

    assert (made.status_code, made.json()["size"]) == (201, ready.size)
    assert len(listed) == 1
    assert f"acme.example {ready.size}" in page
    assert theirs == []
    assert len(events_of(desk, EventKind.AUDIT_CHECKPOINT_WITNESSED)) == 1


def test_a_cosignature_through_the_portal(desk, ready):
    note, witness = cosigned(desk.files(ready)["checkpoint"])
    with desk.room.enter("app"):
        browser = make_member(desk.world, Role.CUSTOMER_VIEWER, customer=desk.customer).browser()
        sent = {"customer": str(desk.customer.pk), "witness": witness, "note": note.replace("\n", "\r\n")}
        browser.post(reverse("portal:pack_witnesses"), sent)
        with desk.world.acting():
            assert Cosignature.objects.count() == 1


@pytest.mark.parametrize("what", ["time", "signature", "key", "name", "no line", "nonsense", "no key"])
def test_a_cosignature_that_does_not_fit_is_refused(desk, ready, what):
    checkpoint = desk.files(ready)["checkpoint"]
    note, witness = cosigned(checkpoint)
    line = note.splitlines()[-1]
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    if what in {"time", "signature"}:
        raw[5 if what == "time" else 40] ^= 1
        note = note.replace(line, f"{line.rpartition(' ')[0]} {base64.b64encode(raw).decode()}")
    elif what == "key":
        witness = verifier.WitnessKey("acme.example", bytes(32)).vkey
    elif what == "name":
        witness = witness.replace("acme.example", "acme.evil")
    note = {"no line": checkpoint.decode(), "nonsense": "hello"}.get(what, note)
    witness = "x" if what == "no key" else witness
    with desk.room.enter("app"):
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.customer,)).api()
        terms = {"customer": str(desk.customer.pk), "note": note, "witness": witness}
        answer = machine.post("/api/v1/audit-cosignatures/", terms, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) <= {"note", "witness"}


def test_a_checkpoint_that_this_log_never_had_alerts(desk, ready):
    """The witness has something that our key has signed and that is not here: we have been rewritten."""
    origin, size, *_ = desk.files(ready)["checkpoint"].decode().split("\n")
    text = "\n".join([origin, size, base64.b64encode(bytes(32)).decode(), ""])
    note, witness = cosigned(signed_by_the_log(text, origin))
    with desk.room.enter("app"):
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.customer,)).api()
        terms = {"customer": str(desk.customer.pk), "note": note, "witness": witness}
        answer = machine.post("/api/v1/audit-cosignatures/", terms, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_disputed")
    assert [each["alert"] for each in events_of(desk, EventKind.AUDIT_CHECKPOINT_DISPUTED)] == [True]


@pytest.mark.parametrize("forged", ["root", "tenant"])
def test_a_checkpoint_that_this_log_has_not_signed_is_refused_and_alerts_nobody(desk, ready, forged):
    origin, size, root, *rest = desk.files(ready)["checkpoint"].decode().split("\n")
    if forged == "root":  # signed, but not this
        note, witness = cosigned("\n".join([origin, size, base64.b64encode(bytes(32)).decode(), *rest]).encode())
    else:  # signed here, for somebody else
        other = origin.replace(str(desk.world.id), str(uuid4()))
        note, witness = cosigned(signed_by_the_log(f"{other}\n{size}\n{root}\n", other))
    with desk.room.enter("app"):
        machine = make_machine(desk.world, Role.CUSTOMER_VIEWER, customers=(desk.customer,)).api()
        terms = {"customer": str(desk.customer.pk), "note": note, "witness": witness}
        answer = machine.post("/api/v1/audit-cosignatures/", terms, content_type="application/json")

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["note"])
    assert events_of(desk, EventKind.AUDIT_CHECKPOINT_DISPUTED) == []


def test_what_a_stranger_needs_is_public(client):
    for name, begin in (
        ("msplex_verify.py", b"#!/usr/bin/env python3"), ("msplex-pack-authority.pem", b"-----BEGIN CERTIFICATE-----"),
        ("msplex-log-key.pem", b""), ("msplex-log-keys.json", b"{"),
    ):  # fmt: skip
        answer = client.get(f"/.well-known/{name}")
        assert answer.status_code == 200
        assert answer.content.startswith(begin)


def test_files_are_put_together_again():
    world = make_tenant()
    with as_role("worker"), world.acting():
        pack = Pack.objects.create(
            customer=world.customers[0], month="2026-04", epoch=1, start=0, size=1, requested_by="t"
        )
        big = bytes(range(256)) * 8200
        files.put(pack, {"a": big, "b": b""})
        assert (files.get(pack, "a"), files.get(pack, "b"), files.get(pack, "c")) == (big, b"", b"")
