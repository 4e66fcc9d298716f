"""The log as a file: what fits the filters, safe in a spreadsheet, exact for whoever verifies it; and saved filters."""

import csv
import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.models import Event, SavedFilter
from audit.services import BODY_LABEL, record
from audit.spreadsheets import cell
from identity.errors import PrincipalRefused
from identity.roles import Role
from identity.services import disable_principal, unbind_role
from msplex.portal import exports
from msplex.portal.exports import COLUMNS
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_person
from tests.portal.test_audit import MACHINE, note

URL = reverse("portal:audit_export")
API = "/api/v1/audit-events/export/"


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def taken(browser: Browser, made_as: str, **query: Any) -> str:
    address = f"{URL}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    response = browser.post(address, {"format": made_as})
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_csv_holds_what_fits_the_filters_and_who_did_it_for_whom(alice: Person) -> None:
    note(alice.world, EventKind.ROLE_BOUND)
    event = note(alice.world, body={"rows_returned": 3, "code": "", "extra": "x"}, result="failed")

    text = taken(alice.browser(), "csv", result="failed")

    (row,) = rows_of(text)
    assert tuple(row) == COLUMNS
    assert text.count("\r\n") == 2
    assert (row["id"], row["actor"], row["address"], row["request_id"]) == (event, "triage-agent", "192.0.2.7", "req-1")
    assert (row["customer"], row["rows_returned"]) == (alice.world.customers[0].name, "3")
    assert json.loads(row["facts"]) == {"extra": "x"}


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-3", "@x", "\tx", "\rx"])
def test_a_name_like_a_formula_stays_text(alice: Person, text: str) -> None:
    actor = Actor(ActorKind.USER, alice.id, text)
    note(alice.world, EventKind.ROLE_BOUND, actor=actor, result="failed")

    (row,) = rows_of(taken(alice.browser(), "csv", result="failed"))

    assert row["actor"] == f"'{text}"


@pytest.mark.parametrize(
    ("value", "shown"), [(-3, -3), (7, 7), (None, ""), (True, "True"), ("-3", "'-3"), ("a=b", "a=b")]
)
def test_numbers_stay_numbers(value: object, shown: object) -> None:
    assert cell(value) == shown


def test_json_lines_hold_the_texts_that_are_proven(alice: Person) -> None:
    event = note(alice.world, result="failed")

    (line,) = [json.loads(each) for each in taken(alice.browser(), "jsonl", result="failed").splitlines()]

    with alice.world.acting():
        kept = Event.objects.get(id=event)
    assert (line["header"].encode(), line["body"].encode()) == (bytes(kept.header), bytes(kept.body))
    committed = json.loads(line["header"])["body_commit"]
    assert committed == hashlib.sha256(BODY_LABEL + line["body"].encode()).hexdigest()


def test_an_export_is_on_record_with_its_filter_and_is_not_in_itself(alice: Person) -> None:
    text = taken(alice.browser(), "jsonl", family="users")
    everything = taken(alice.browser(), "jsonl")

    with alice.world.acting():
        first, second = Event.objects.filter(kind=EventKind.AUDIT_EXPORTED).order_by("id")
    assert (first.facts["filter"], first.facts["format"]) == ("family=users", "jsonl")
    assert first.actor_id == alice.id
    assert str(first.pk) not in text
    assert str(first.pk) in everything
    assert str(second.pk) not in everything


def test_an_export_has_more_than_one_piece_and_no_row_twice(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PIECE", 2)
    made = {note(alice.world, result="failed") for _ in range(7)}

    rows = rows_of(taken(alice.browser(), "csv", result="failed"))

    assert [row["id"] for row in rows] == sorted(made, reverse=True)


def test_a_customers_reader_exports_its_own_events_alone(alice: Person) -> None:
    mine, other = alice.world.customers[:2]
    carol = make_person(alice.world, Role.CUSTOMER_VIEWER, name="carol", customer=mine)
    own = note(alice.world)
    note(alice.world, customer=other)
    note(alice.world, customer=None)

    rows = rows_of(taken(carol.browser(), "csv"))

    assert own in {row["id"] for row in rows}
    assert {row["customer_id"] for row in rows} == {str(mine.pk)}


def _pieces(person: Person) -> Iterator[bytes]:
    return iter(person.browser().post(URL, {"format": "jsonl"}).streaming_content)


def test_who_is_withdrawn_in_the_middle_gets_no_further_piece(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PIECE", 1)
    bob, carol = make_person(alice.world, Role.VIEWER, name="bob"), make_person(alice.world, Role.VIEWER, name="carol")
    of_bob, of_carol = _pieces(bob), _pieces(carol)
    assert next(of_bob)
    assert next(of_carol)

    with alice.world.acting():
        disable_principal(bob.id, by=SETUP)
        unbind_role(carol.user.principal.bindings.get(), by=SETUP)

    with pytest.raises(PrincipalRefused):
        next(of_bob)
    with pytest.raises((PrincipalRefused, PermissionError)):
        next(of_carol)


def test_a_long_export_takes_no_more_memory_than_a_piece(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PIECE", 50)
    with alice.world.acting():
        for _ in range(600):
            record(EventKind.ROLE_BOUND, actor=MACHINE, body={"text": "x" * 8000}, result="failed")
    response = alice.browser().post(f"{URL}?result=failed", {"format": "jsonl"})
    tracemalloc.start()

    size = sum(len(piece) for piece in response.streaming_content)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 4_800_000
    assert peak < 3_000_000


@pytest.mark.parametrize(("query", "made_as"), [("kind=x", "csv"), ("", "xlsx"), ("", "")])
def test_an_export_that_cannot_be_meant_is_not_made(alice: Person, query: str, made_as: str) -> None:
    response = alice.browser().post(f"{URL}?{query}", {"format": made_as})

    assert response.status_code == 302
    with alice.world.acting():
        assert not Event.objects.filter(kind=EventKind.AUDIT_EXPORTED).exists()


def test_an_export_over_the_api(alice: Person) -> None:
    event, api = note(alice.world, result="failed"), make_machine(alice.world, Role.ADMIN).api()

    response = api.post(f"{API}?result=failed", {"format": "csv"}, "application/json")

    assert response["Content-Disposition"] == 'attachment; filename="audit.csv"'
    assert [row["id"] for row in rows_of(b"".join(response.streaming_content).decode())] == [event]
    assert api.post(API, {"format": "xlsx"}, "application/json").status_code == 400
    assert api.post(f"{API}?kind=x", {"format": "csv"}, "application/json").status_code == 400


# Saved filters


def save(browser: Browser, name: str, query: str = "result=failed&before=x", **more: str) -> str:
    url = f"{reverse('portal:audit_filter_save')}?{query}"
    return browser.post(url, {"name": name, **more}, follow=True).content.decode()


def saved(person: Person) -> dict[str, str]:
    return {each.name: each.query for each in person.browser().get(reverse("portal:audit")).context["saved"]}


def test_a_filter_is_saved_replaced_and_removed(alice: Person) -> None:
    browser = alice.browser()
    save(browser, "  Failed   calls ")
    save(browser, "Failed calls", "result=refused")

    assert saved(alice) == {"Failed calls": "result=refused"}
    with alice.world.acting():
        key = SavedFilter.objects.get().pk
        kinds = list(Event.objects.filter(kind__startswith="audit:filter").values_list("kind", flat=True))
    assert kinds == [EventKind.FILTER_SAVED] * 2

    browser.post(reverse("portal:audit_filter_remove", args=[key]))
    assert saved(alice) == {}


@pytest.mark.parametrize(
    ("name", "query"), [("", "result=failed"), ("x" * 101, "result=failed"), ("x", ""), ("x", "page=2")]
)
def test_a_filter_needs_a_name_and_something_to_narrow(alice: Person, name: str, query: str) -> None:
    save(alice.browser(), name, query)

    assert saved(alice) == {}


def test_a_shared_filter_is_seen_by_those_who_see_the_whole_tenant_and_changed_by_its_owner(alice: Person) -> None:
    world: TenantWorld = alice.world
    bob = make_person(world, Role.VIEWER, name="bob")
    carol = make_person(world, Role.CUSTOMER_MANAGER, name="carol", customer=world.customers[0])
    mallory = make_person(make_tenant("globex"), Role.OWNER, name="mallory")
    save(alice.browser(), "Mine")
    save(alice.browser(), "Ours", shared="yes")
    with world.acting():
        key = SavedFilter.objects.get(name="Ours").pk
    remove = reverse("portal:audit_filter_remove", args=[key])

    assert set(saved(alice)) == {"Mine", "Ours"}
    assert set(saved(bob)) == {"Ours"}
    assert saved(carol) == saved(mallory) == {}
    assert [person.browser().post(remove).status_code for person in (bob, carol, mallory)] == [404] * 3


def test_saved_filters_over_the_api(alice: Person) -> None:
    browser, url = alice.browser(), "/api/v1/saved-filters/"
    made = browser.post(url, {"name": "Failed", "query": "result=failed&x=1"}, "application/json")

    assert (made.status_code, made.json()["query"], made.json()["owner"]) == (201, "result=failed", str(alice.id))
    assert [each["name"] for each in browser.get(url).json()["results"]] == ["Failed"]
    assert browser.post(url, {"name": "x", "query": "x=1"}, "application/json").status_code == 400
    assert browser.delete(f"{url}{made.json()['id']}/").status_code == 204
    assert browser.get(url).json()["results"] == []
