"""From committed events to a pack that a stranger's machine accepts; and what happens when something is killed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.models import Event, HandoverDomain, Pack, SignatureRequest
from audit.packs import cutting, document, files, work
from audit.packs import format as fmt
from tests.packs.maker import verify
from tests.packs.rooms import Desk, lines_of, person

ALICE, CAROL = person("alice@msp.example", uuid4()), person("carol@else.example", uuid4())
PLAIN = b"%PDF-1.7 not set in this test"


@pytest.fixture
def desk(room) -> Desk:
    made = Desk(room, room.tenant())
    made.happen(made.customer, by=ALICE, times=3)
    made.happen(made.world.customers[1], by=ALICE, times=2)
    made.happen(None, by=ALICE)
    made.happen(made.customer, by=CAROL, times=2)
    made.seal()
    return made


@pytest.fixture
def quick(monkeypatch):
    """Setting a page takes seconds: where a test is about something else, once is enough for all of them."""
    if not hasattr(document, "_kept"):
        document._kept = document.write('<html lang="en"><title>x</title><body><h1>x</h1></body></html>')
    monkeypatch.setattr(work, "render", lambda *_: document._kept)


def test_a_month_becomes_packs_that_verify(desk, monkeypatch, tmp_path):
    made = desk.cut()
    packs = [desk.build(each, monkeypatch) for each in made]

    assert {pack.state for pack in packs} == {Pack.State.READY}, [pack.problem for pack in packs]
    assert len(packs) == len(desk.world.customers)
    facts = []
    for pack in packs:
        archive = desk.zip(pack, tmp_path, f"{pack.pk}.zip")
        options = ["--pubkey", desk.pubkey(tmp_path), "--customer", pack.customer_id, "--tenant", desk.world.id]
        facts.append(verify("verify-pack", "--pack", archive, *options, expect=0)["facts"]["events"])
    # The cut itself is an event, and belongs to the next pack.
    assert sorted(facts) == [0, 2, 5]


def test_a_pack_is_signed_as_a_pdf_and_as_a_list(desk, quick, monkeypatch, tmp_path):
    pack = desk.build(desk.ask().pk, monkeypatch)

    with desk.room.enter("app"), desk.world.acting():
        pdf, sig = (files.download(pack, form, "acme") for form in ("pdf", "sig"))
    assert b"/ETSI.CAdES.detached" in pdf.content
    (tmp_path / pdf.name).write_bytes(pdf.content)
    (tmp_path / sig.name).write_bytes(sig.content)
    options = ["--pack", tmp_path / pdf.name, "--sig", tmp_path / sig.name, "--pubkey", desk.pubkey(tmp_path)]
    verify("verify-pack", *options, expect=0)


def test_packs_follow_each_other_without_a_gap(desk, quick, monkeypatch, tmp_path):
    november = [desk.build(each, monkeypatch) for each in desk.cut()]
    desk.happen(desk.customer, by=ALICE, times=4)
    desk.seal()
    december = [desk.build(each, monkeypatch) for each in desk.cut(datetime(2027, 1, 1, 0, 2, tzinfo=UTC))]

    first, second = (
        next(each for each in packs if each.customer_id == desk.customer.pk) for packs in (november, december)
    )
    assert (first.month, second.month) == ("2026-11", "2026-12")
    assert (second.start, second.k_from) == (first.size, first.k_to)
    options = ["--previous", desk.zip(first, tmp_path), "--pubkey", desk.pubkey(tmp_path)]
    verify("verify-pack", "--pack", desk.zip(second, tmp_path), *options, expect=0)


def test_cutting_again_cuts_nothing(desk):
    assert len(desk.cut()) == 3
    assert desk.cut() == []
    assert desk.cut(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == []


def test_months_that_were_missed_are_made_up_for(desk):
    desk.cut(datetime(2027, 2, 1, 0, 2, tzinfo=UTC))

    with desk.worker(), desk.world.acting():
        months = [pack.month for pack in Pack.objects.filter(customer=desk.customer).order_by("month")]
    assert months == ["2026-11", "2026-12", "2027-01"]


def test_an_interim_pack_moves_nothing(desk, quick, monkeypatch, tmp_path):
    interim = desk.build(desk.ask().pk, monkeypatch)
    final = next(pack for pack in map(desk.pack, desk.cut()) if pack.customer_id == desk.customer.pk)

    assert interim.interim
    assert (final.start, final.interim) == (0, False)
    answer = verify("verify-pack", "--pack", desk.zip(interim, tmp_path), "--pubkey", desk.pubkey(tmp_path), expect=0)
    assert answer["facts"]["interim"] is True


def test_asking_again_finds_the_pack_that_is_being_built(desk):
    assert desk.ask().pk == desk.ask().pk


def test_asking_again_at_once_is_refused(desk, quick, monkeypatch):
    desk.build(desk.ask().pk, monkeypatch)
    with pytest.raises(cutting.PackTooSoon):
        desk.ask()


def test_a_month_that_never_was_is_refused(desk):
    for month in ("2026-10", "2027-05", "nonsense"):
        with pytest.raises(cutting.MonthInvalid):
            desk.ask(month=month)


def test_the_same_pack_is_the_same_bytes(desk, monkeypatch):
    """Built twice from the same log, the second time after everything that was made had been lost."""
    pack = desk.build(desk.ask().pk, monkeypatch)
    first = desk.files(pack)
    pieces = "DELETE FROM content.audit_packpiece", "DELETE FROM content.audit_signaturerequest"
    for statement in (*pieces, "UPDATE content.audit_pack SET state = 'queued'"):
        desk.room.tamper(desk.world, statement)

    again = desk.files(desk.build(pack.pk, monkeypatch))
    assert sorted(again) == sorted(first)
    assert [name for name in first if again[name] != first[name]] == []


@pytest.mark.parametrize("step", ["_collect", "_summarise", "_sign", "_finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_builder_that_is_killed_is_followed_by_one_that_goes_on(desk, quick, monkeypatch, tmp_path, step, when):
    """Killed: nothing of it runs any more, not even what would give the pack back."""

    class Killed(BaseException):
        pass

    real = getattr(work, step)

    def dying(*arguments):
        if when == "after":
            real(*arguments)
        raise Killed

    pack = desk.ask()
    with monkeypatch.context() as broken:
        broken.setattr(work, step, dying)
        with pytest.raises(Killed):
            desk.build(pack.pk, broken)
    done = (step, when) in {("_finish", "after"), ("_sign", "after")}

    assert desk.build(pack.pk, monkeypatch).state == (Pack.State.READY if done else desk.pack(pack.pk).state)
    pack = desk.build(pack.pk, monkeypatch, again=True)
    assert pack.state == Pack.State.READY
    verify("verify-pack", "--pack", desk.zip(pack, tmp_path), "--pubkey", desk.pubkey(tmp_path), expect=0)


def test_two_builders_at_once_are_one(desk, quick, monkeypatch):
    pack = desk.ask()
    with desk.worker():
        held = work._taken(pack.pk, again=False)
        assert held is not None
        assert work._taken(pack.pk, again=False) is None
        assert work.unfinished(datetime.now(UTC)) == []
        assert work.unfinished(datetime.now(UTC) + timedelta(hours=1)) == [pack.pk]


def test_without_a_sealer_a_pack_waits_and_says_so(desk, quick, monkeypatch):
    monkeypatch.setattr(work, "SIGNATURE_SECONDS", 0)
    pack = desk.ask()
    with desk.worker():
        work.build(pack.pk)

    waiting = desk.pack(pack.pk)
    assert (waiting.state, waiting.leased_until) == (Pack.State.SIGNING, None)
    assert "sealer does not answer" in waiting.problem


def test_without_pango_a_pack_waits_and_says_what_to_install(desk, monkeypatch):
    def gone(*_):
        raise work.PdfUnavailable

    pack = desk.ask()
    with monkeypatch.context() as slim:
        slim.setattr(work, "render", gone)
        assert "libpango" in desk.build(pack.pk, slim).problem
    monkeypatch.setattr(work, "render", lambda *_: document.write('<html lang="en"><title>x</title></html>'))
    assert desk.build(pack.pk, monkeypatch).state == Pack.State.READY


def test_after_many_tries_a_person_has_to_look(desk, quick, monkeypatch):
    monkeypatch.setattr(work, "SIGNATURE_SECONDS", 0)
    monkeypatch.setattr(work, "MOST_TRIES", 2)
    pack = desk.ask()
    with desk.worker():
        work.build(pack.pk)
        work.build(pack.pk)

    assert desk.pack(pack.pk).state == Pack.State.FAILED
    with desk.worker(), desk.world.acting():
        assert Event.objects.filter(kind=EventKind.PACK_FAILED).get().facts["alert"] is True


def test_a_handover_pack_has_the_details_of_the_domain_s_people_only(desk, quick, monkeypatch, tmp_path):
    verified(desk, "msp.example")
    for actor in (
        person("alice@msp.example.evil.example", uuid4()), person("bob@notmsp.example", uuid4()),
        person("eve@m\u0455p.example", uuid4()), person("mallory@evil.example@x.msp.example", uuid4()),
        system("backup@msp.example"),
    ):  # fmt: skip
        desk.happen(desk.customer, by=actor)
    desk.happen(desk.customer, by=person("Bob@MSP.example", uuid4()))
    desk.seal()
    pack = desk.build(desk.ask(actor_filter="@msp.example").pk, monkeypatch)

    assert pack.left_out == 7
    shown = [each for each in lines_of(desk.files(pack), pack.month) if each["body"]]
    assert len(shown) == 4
    facts = verify("verify-pack", "--pack", desk.zip(pack, tmp_path), "--pubkey", desk.pubkey(tmp_path), expect=0)[
        "facts"
    ]
    assert (facts["events"], facts["left_out"], facts["handover"]["domain"]) == (11, 7, "@msp.example")


@pytest.mark.parametrize(
    "text",
    [
        "msp.example",
        "@other.example",
        "@MSP.example.evil.example",
        "%@msp.example",
        "@",
        "@%",
        "@notmsp.example",
        "@m\u0455p.example",
        "@sub.msp.example",
    ],
)
def test_a_domain_that_is_not_verified_has_no_handover(desk, text):
    verified(desk, "msp.example")
    with pytest.raises(cutting.DomainNotVerified):
        desk.ask(actor_filter=text)


def test_a_domain_that_was_lost_has_no_handover_any_more(desk):
    verified(desk, "msp.example", lost=True)
    with pytest.raises(cutting.DomainNotVerified):
        desk.ask(actor_filter="@msp.example")


def verified(desk: Desk, name: str, *, lost: bool = False) -> None:
    with desk.room.enter("app"), desk.world.acting():
        HandoverDomain.objects.create(
            name=name, token="t", added_by="tests", verified_at=None if lost else datetime.now(UTC)
        )


# What the sealer signs.


def requests_of(desk: Desk, pack: Pack) -> dict[str, SignatureRequest]:
    with desk.worker(), desk.world.acting():
        return {each.purpose: each for each in SignatureRequest.objects.filter(pack=pack)}


def asked_to_sign(desk: Desk, pack: Pack, purpose: str, message: bytes) -> SignatureRequest:
    with desk.worker(), desk.world.acting():
        request = SignatureRequest.objects.create(
            pack=pack, customer_id=pack.customer_id, purpose=purpose, message=message
        )
    desk.seal()
    with desk.worker(), desk.world.acting():
        return SignatureRequest.objects.get(id=request.id)


def collected(desk: Desk) -> Pack:
    pack = desk.ask()
    with desk.worker():
        work._collect(work._taken(pack.pk, again=False))
    return desk.pack(pack.pk)


def test_the_sealer_signs_only_lists_of_this_pack_s_files(desk):
    pack = collected(desk)
    have = desk.files(pack) | {f"{pack.month}.pdf": b"x"}
    good = fmt.sums_of(have)
    checkpoint = have["checkpoint"].decode()
    origin, size, root = checkpoint.split("\n")[:3]
    bad = [
        checkpoint.encode(), f"{origin}\n{int(size) + 1}\n{root}\n".encode(), b"", good[:-1], good + good, good.upper(),
        fmt.sums_of(have | {"more": b""}), fmt.sums_of(have | {"checkpoint": b"x"}),
        fmt.sums_of({name: content for name, content in have.items() if name != "proof.json"}),
        good.replace(pack.month.encode(), b"2020-01"),
    ]  # fmt: skip
    for message in bad:
        with desk.room.owner() as cursor, desk.world.acting():
            cursor.execute("DELETE FROM content.audit_signaturerequest")
        answer = asked_to_sign(desk, pack, "sums", message)
        assert (answer.signature, bool(answer.refused)) == (None, True), message


def test_the_sealer_signs_only_attributes_of_a_summary(desk):
    pack = collected(desk)
    answer = asked_to_sign(desk, pack, "pdf", b"anything at all")
    assert (answer.signature, answer.refused) == (None, "These are no attributes of a pack's summary.")


@pytest.mark.parametrize("role", ["app", "worker", "broker", "provider"])
def test_nobody_but_the_sealer_writes_a_signature(desk, role):
    pack = collected(desk)
    with desk.worker(), desk.world.acting():
        SignatureRequest.objects.create(pack=pack, customer_id=pack.customer_id, purpose="pdf", message=b"x")
    statement = "UPDATE content.audit_signaturerequest SET signature = 'forged'"
    with pytest.raises(DatabaseError), desk.room.enter(role), desk.world.acting(), transaction.atomic():
        connection.cursor().execute(statement)


@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer", "provider"])
@pytest.mark.parametrize(
    "what", ["UPDATE content.audit_packpiece SET content = 'x'", "DELETE FROM content.audit_packpiece"]
)
def test_nobody_changes_a_file_of_a_pack(desk, role, what):
    with pytest.raises(DatabaseError), desk.room.enter(role), desk.world.acting(), transaction.atomic():
        connection.cursor().execute(what)
