"""Files that take a while: how far they are is told, who is killed is followed, what is taken is what was recorded."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.kinds import EventKind
from audit.models import Event
from billing.exports import Format, What, ledger_digests, ledger_of
from billing.files import services, work
from billing.files.models import KEPT, ExportFile, ExportPiece
from billing.files.services import order_file
from billing.months import month_of
from billing.tasks import make_file
from identity.errors import PrincipalRefused
from identity.roles import Role
from identity.services import disable_principal
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for
from tests.billing.factories import BEN, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_person

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
CALLS = 7


class Killed(BaseException):
    """Nothing of it runs any more, not even what would give the file back."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "ROWS", 2)
    monkeypatch.setattr(services, "LONG", 3)


@pytest.fixture
def ben() -> Person:
    world = make_tenant()
    use(world, NOW, calls=CALLS - 2)
    use(world, NOW, calls=2, customer=world.customers[1])
    return make_person(world, Role.BILLING)


def ordered(world: TenantWorld, what: What = What.CALLS, made_as: Format = Format.CSV) -> ExportFile:
    with world.acting():
        return order_file(what, MONTH, made_as, by=BEN)


def made(world: TenantWorld, file: ExportFile, *, again: bool = False) -> ExportFile:
    """As the worker does, once."""
    with as_role("worker"), acting_for(Context(world.id)):
        work.make(file.pk, again=again)
    return known(world, file)


def known(world: TenantWorld, file: ExportFile) -> ExportFile:
    with world.acting():
        return ExportFile.objects.get(id=file.pk)


def content(world: TenantWorld, file: ExportFile) -> bytes:
    with world.acting():
        found = ExportPiece.objects.filter(file=file).order_by("position").values_list("content", flat=True)
        return b"".join(map(bytes, found))


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline=""), strict=True))


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "generated_at"}


def test_a_file_is_what_would_be_taken_at_once(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for made_as in Format:
        file = made(ben.world, ordered(ben.world, made_as=made_as))
        at_once = ben.browser().get("/api/v1/billing-exports/file/", {"what": "calls", "format": made_as.value})
        expected, text = b"".join(at_once.streaming_content), content(ben.world, file)
        read = json.loads if made_as is Format.JSON else rows_of
        assert [untimed(row) for row in read(text)] == [untimed(row) for row in read(expected)]
        assert (file.state, file.done, file.total) == ("ready", CALLS, CALLS)
        assert (file.sha256, file.size) == (hashlib.sha256(text).hexdigest(), len(text))


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("made_as", Format)
def test_every_export_can_be_ordered(ben: Person, what: What, made_as: Format) -> None:
    file = made(ben.world, ordered(ben.world, what, made_as))

    assert file.state == "ready", file.problem
    text = content(ben.world, file)
    assert len(json.loads(text) if made_as is Format.JSON else rows_of(text)) == file.done


def test_how_far_it_is_is_told_after_every_piece(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    told, real, browser = [], work._next_piece, ben.browser()

    def telling(file: ExportFile) -> None:
        real(file)
        with as_role("app"):
            told.append(browser.get(f"/api/v1/billing-files/{file.pk}/").json())

    file = ordered(ben.world)
    monkeypatch.setattr(work, "_next_piece", telling)
    made(ben.world, file)

    assert [(each["rows"], each["of_rows"]) for each in told] == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert [each["percent"] for each in told] == [28, 57, 85, 99]
    assert told[0]["state"] == "making"


@pytest.mark.parametrize("step", ["_begin", "_next_piece", "_finished"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_is_killed_is_followed_by_somebody_who_goes_on(
    ben: Person, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    real = getattr(work, step)

    def dying(file: ExportFile) -> Any:
        if when == "after":
            real(file)
        raise Killed

    file = ordered(ben.world)
    with monkeypatch.context() as broken:
        broken.setattr(work, step, dying)
        with pytest.raises(Killed):
            made(ben.world, file)
    half = known(ben.world, file)
    done = (step, when) == ("_finished", "after")

    assert made(ben.world, file).state == ("ready" if done else half.state)  # the lease of the dead one holds
    whole = made(ben.world, file, again=True)
    assert whole.state == "ready"
    assert len({row["call_id"] for row in rows_of(content(ben.world, whole))}) == whole.done == CALLS
    assert whole.sha256 == hashlib.sha256(content(ben.world, whole)).hexdigest()


def test_what_was_made_is_not_made_again(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    file, real, pieces = ordered(ben.world), work._next_piece, []

    def dying(file: ExportFile) -> None:
        pieces.append(file.pieces)
        if len(pieces) == 3:
            raise Killed
        real(file)

    monkeypatch.setattr(work, "_next_piece", dying)
    with pytest.raises(Killed):
        made(ben.world, file)
    made(ben.world, file, again=True)
    assert pieces == [0, 1, 2, 2, 3]


def test_who_lost_the_lease_keeps_nothing_more(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """It only slept: somebody else made the file meanwhile."""
    file, real = ordered(ben.world), work._next_piece

    def sleeping(file: ExportFile) -> None:
        monkeypatch.setattr(work, "_next_piece", real)
        with acting_for(Context(ben.world.id)):
            work.make(file.pk, again=True)
        real(file)

    monkeypatch.setattr(work, "_next_piece", sleeping)
    whole = made(ben.world, file)

    assert (whole.state, whole.done) == ("ready", CALLS)
    assert len(rows_of(content(ben.world, whole))) == CALLS


def test_a_long_file_gives_others_their_turn(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    file = ordered(ben.world)
    with as_role("worker"), acting_for(Context(ben.world.id)):
        assert work.make(file.pk) is True
    assert known(ben.world, file).leased_until is None
    monkeypatch.undo()
    assert made(ben.world, file).state == "ready"


def test_a_call_that_became_visible_late_is_in_the_rows_and_in_the_digest(
    ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded before the file was ordered, committed while it was made, and sorted before what was written already."""
    real, file = work._finished, ordered(ben.world)

    def late(file: ExportFile) -> bool:
        monkeypatch.setattr(work, "_finished", real)
        use(ben.world, NOW, recorded_at=file.created_at - timedelta(seconds=1))
        return real(file)

    monkeypatch.setattr(work, "_finished", late)
    with as_role("worker"), acting_for(Context(ben.world.id)):
        assert work.make(file.pk) is True
    whole = made(ben.world, file)

    with ben.world.acting():
        assert whole.ledger == ledger_of(ledger_digests(MONTH))
    assert (whole.state, whole.done) == ("ready", CALLS + 1)
    assert len(rows_of(content(ben.world, whole))) == CALLS + 1


def test_what_was_recorded_after_it_was_ordered_is_not_in_it(ben: Person) -> None:
    file = ordered(ben.world)
    use(ben.world, NOW, recorded_at=timezone.now())
    whole = made(ben.world, file)

    assert whole.done == CALLS
    with ben.world.acting():
        assert (
            whole.ledger == ledger_of(ledger_digests(MONTH, until=file.created_at)) != ledger_of(ledger_digests(MONTH))
        )


def test_what_fails_is_tried_again_and_then_given_up_aloud(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_TRIES", 2)

    def failing(_: ExportFile) -> None:
        raise RuntimeError("no")

    file = ordered(ben.world)
    monkeypatch.setattr(work, "_next_piece", failing)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            made(ben.world, file)
    assert "RuntimeError" in known(ben.world, file).problem
    assert made(ben.world, file).state == "failed"
    with ben.world.acting():
        assert Event.objects.get(kind=EventKind.EXPORT_FAILED).facts["alert"] is True


def test_the_sweep_finds_what_nobody_goes_on_with_and_forgets_what_is_old(ben: Person) -> None:
    file, now = ordered(ben.world), datetime.now(UTC)
    with as_role("worker"), acting_for(Context(ben.world.id)):
        assert work.unfinished(now) == [file.pk]
    made(ben.world, file)
    with as_role("worker"), acting_for(Context(ben.world.id)):
        assert work.unfinished(now + timedelta(hours=1)) == []
        assert work.forget_files(now + KEPT - timedelta(minutes=1)) == 0
        assert work.forget_files(now + KEPT + timedelta(minutes=1)) == 1
    with ben.world.acting():
        assert not ExportPiece.objects.exists()


def test_the_same_one_is_not_made_twice_and_not_too_many_at_once(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ordered(ben.world).pk == ordered(ben.world).pk
    monkeypatch.setattr(services, "MOST_OPEN", 1)
    with pytest.raises(Conflict, match="being made"):
        ordered(ben.world, made_as=Format.JSON)


def test_the_worker_runs_it(ben: Person) -> None:
    """With the message that the order sends: a context narrowed to its orderer would see too little."""
    file = ordered(ben.world)
    with as_role("worker"), ben.world.acting():
        make_file.run(file_id=str(file.pk))
    assert known(ben.world, file).state == "ready"


# At the doors.


def test_a_long_file_is_ordered_and_a_short_one_taken_at_once(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, asked = ben.browser(), {"what": "calls", "month": f"{MONTH:%Y-%m}", "format": "csv"}
    order = reverse("portal:billing_file_order")

    assert browser.post(order, asked).url == reverse("portal:billing_files")
    assert browser.get(reverse("portal:billing_export"), asked).url.startswith(reverse("portal:billing_exports"))
    monkeypatch.setattr(services, "LONG", CALLS)
    taken = browser.post(order, asked, follow=True)
    assert len(rows_of(b"".join(taken.streaming_content))) == CALLS
    assert browser.post(order, asked | {"what": "usage"}).url.startswith(reverse("portal:billing_export"))


def test_the_page_shows_how_far_it_is_without_a_script_and_follows_with_one(
    ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, page = ordered(ben.world), reverse("portal:billing_files")
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    with as_role("worker"), acting_for(Context(ben.world.id)):
        work.make(file.pk)
        work._next_piece(work._taken(file.pk, again=True))  # type: ignore[arg-type]
    text = ben.browser().get(page).content.decode()
    assert '<progress max="7"' in text
    assert "2 of 7" in text
    assert 'hx-trigger="every 2s"' in text
    monkeypatch.undo()
    made(ben.world, file, again=True)
    text = ben.browser().get(page).content.decode()
    assert "hx-trigger" not in text.partition('id="files"')[2]
    assert reverse("portal:billing_file_download", args=[file.pk]) in text


def test_a_file_is_taken_with_its_digest_on_the_record(ben: Person) -> None:
    file, place = ordered(ben.world), "/api/v1/billing-files/{}/download/"
    assert ben.browser().get(place.format(file.pk)).status_code == 409
    file = made(ben.world, file)
    response = ben.browser().get(place.format(file.pk))
    text = b"".join(response.streaming_content)

    assert len(text) == int(response["Content-Length"]) == file.size
    assert hashlib.sha256(text).hexdigest() == file.sha256
    assert response["Repr-Digest"].startswith("sha-256=:")
    assert response["Content-Type"].startswith("text/csv")
    with ben.world.acting():
        taken = Event.objects.filter(kind=EventKind.USAGE_EXPORTED).latest("id")
        assert (taken.actor_id, taken.facts["sha256"], taken.facts["ledger"]) == (ben.id, file.sha256, file.ledger)
        kinds = {EventKind.EXPORT_ORDERED.value, EventKind.EXPORT_FINISHED.value}
        assert kinds <= set(Event.objects.values_list("kind", flat=True))


def test_who_is_disabled_while_taking_gets_no_further_piece(ben: Person) -> None:
    file = made(ben.world, ordered(ben.world))
    pieces = iter(ben.browser().get(reverse("portal:billing_file_download", args=[file.pk])).streaming_content)
    next(pieces)
    with ben.world.acting():
        disable_principal(ben.id, by=SETUP)
    with pytest.raises(PrincipalRefused):
        next(pieces)


def test_programs_order_any_export_and_follow_it(ben: Person) -> None:
    api = ben.browser()
    response = api.post("/api/v1/billing-files/", {"what": "usage"}, "application/json")

    assert (response.status_code, response["Retry-After"]) == (202, "5")
    assert response.json()["state"] == "queued"
    assert api.get("/api/v1/billing-files/").json()["results"][0]["id"] == response.json()["id"]
    assert api.post("/api/v1/billing-files/", {"month": "1999-01"}, "application/json").status_code == 400
    assert api.post("/api/v1/billing-files/", {"what": "all"}, "application/json").status_code == 400


def test_another_tenants_file_is_not_there_and_a_customers_person_has_none(ben: Person) -> None:
    file = made(ben.world, ordered(ben.world))
    stranger = make_person(make_tenant(), Role.OWNER)
    carol = make_person(ben.world, Role.CUSTOMER_VIEWER, customer=ben.world.customers[0])

    assert stranger.browser().get(f"/api/v1/billing-files/{file.pk}/download/").status_code == 404
    assert carol.browser().get(f"/api/v1/billing-files/{file.pk}/download/").status_code == 403
