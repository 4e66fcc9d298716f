"""What an owner reads: counted from the events, escaped, accessible, and the same bytes each time."""

import dataclasses
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string
from pyhanko.pdf_utils.reader import PdfFileReader
from weasyprint.urls import FatalURLFetchingError

from audit.kinds import EventKind
from audit.packs import document
from audit.packs.controls import CONTROLS, fits
from audit.packs.summary import MOST, Summary, summarised

COVER = document.Cover(
    tenant="North Shore IT", customer="Acme Dental", customer_id="019d", month="2026-04",
    cut_at="2026-05-01T00:00:07.000000+00:00", origin="msplex.example/audit/019d/e1", size=50, start=10,
    k_from=3, k_to=9,
)  # fmt: skip


def event(kind: str, *, result: str = "ok", at: datetime | None = None, actor: str = "alice", **body):
    header = {
        "actor": {"id": actor, "kind": "user"},
        "call": {"id": "c", "instance": "i", "tool": body.pop("tool", "halopsa_list_tickets")},
        "kind": kind,
        "occurred_at": (at or datetime(2026, 4, 3, 9, 30, tzinfo=UTC)).isoformat(timespec="microseconds"),
        "result": result,
    }
    return header, {"actor_label": f"{actor}@msp.example", "subject_label": "a ticket"} | body


def html_of(*events, **cover) -> str:
    return render_to_string(
        document.TEMPLATE,
        {"cover": dataclasses.replace(COVER, **cover), "summary": summarised("2026-04", events), "health": []},
    )


def text_of(html: str) -> str:
    return " ".join(html.split())


def test_calls_are_counted_by_tool_and_outcome():
    made = summarised(
        "2026-04",
        [
            event(EventKind.CALL_INTENDED), event(EventKind.CALL_FINISHED),
            event(EventKind.CALL_INTENDED), event(EventKind.CALL_FINISHED, result="failed"),
            event(EventKind.CALL_REFUSED, result="refused", tool="halopsa_delete", code="policy_denied"),
            event(EventKind.CALL_UNKNOWN, result="failed", tool="halopsa_delete"),
        ],
    )  # fmt: skip

    assert dict(made.tools["halopsa_list_tickets"]) == {"done": 1, "failed": 1}
    assert dict(made.tools["halopsa_delete"]) == {"refused": 1, "unknown": 1}
    assert made.calls.total() == 4
    assert made.denied == {(EventKind.CALL_REFUSED, "policy_denied"): 1}
    assert made.people["user alice"].calls == 2


def test_an_agent_is_shown_with_whom_it_acts_for():
    header, body = event(EventKind.CALL_FINISHED)
    header["actor"] = {"id": "x", "kind": "agent", "on_behalf_of": {"id": "y", "kind": "user"}}
    html = html_of((header, body | {"actor_label": "Claude", "on_behalf_of_label": "bob@msp.example"}))

    assert "Claude, for bob@msp.example" in html


def test_an_approval_says_its_quorum_and_who_voted():
    votes = [{"approver_label": "alice@msp.example"}, {"approver_label": "bob@msp.example"}]
    html = html_of(event("approvals:request:approve", quorum={"need": 2}, votes=votes))

    assert "via 2-of-2 quorum: alice@msp.example, bob@msp.example" in html


def test_sessions_changes_refusals_and_amendments_have_their_lists():
    late = datetime(2026, 3, 30, tzinfo=UTC)
    made = summarised(
        "2026-04",
        [
            event(EventKind.AGENT_CONNECTED), event(EventKind.ROLE_BOUND, reason="new colleague", at=late),
            event(EventKind.SIGN_IN_FAILED, result="refused"), event(EventKind.TOKEN_ISSUED),
        ],
    )  # fmt: skip

    assert [made.sessions.count, made.changes.count, made.denials.count, made.amendments.count] == [1, 1, 1, 1]
    assert made.changes.rows[0].note == "new colleague"


def test_a_list_is_cut_and_says_how_many_there_are():
    start = datetime(2026, 4, 1, tzinfo=UTC)
    events = [event(EventKind.ROLE_BOUND, at=start + timedelta(minutes=n)) for n in range(MOST + 7)]

    assert "And 7 more, in the file of events." in html_of(*events)


def test_what_others_wrote_is_text():
    html = html_of(event(EventKind.ROLE_BOUND, actor="<script>alert(1)</script>", reason='"><img src=x>'))

    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;@msp.example" in html


def test_a_handover_says_what_it_leaves_out():
    assert "people of <strong>@msp.example</strong> only. 1 event of others is counted" in text_of(
        html_of(domain="@msp.example", left_out=1)
    )
    assert "3 events of others are counted" in text_of(html_of(domain="@msp.example", left_out=3))


def test_without_details_the_opaque_id_is_shown():
    header, _ = event(EventKind.ROLE_BOUND, actor="019d0000-0000-7000-8000-0000deadbeef")
    made = summarised("2026-04", [(header, {})])

    assert made.everybody[0].label == "user 0000deadbeef"


def test_every_control_that_is_claimed_is_in_the_map():
    references = " ".join(f"{control.framework} {control.reference}" for control in CONTROLS)

    for claimed in ("SOC 2 CC6.1", "HIPAA 164.312(b)", "NIST CSF PR.AC-4", "NIST AI RMF GOVERN", "OWASP NHI NHI-03"):
        assert claimed in references


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"{control.framework} {control.reference}")
def test_every_control_has_kinds_of_event_that_exist(control):
    planned = ("approvals:",)
    for pattern in control.kinds:
        assert pattern.startswith(planned) or any(fits(kind.value, [pattern]) for kind in EventKind), pattern


def test_the_counts_of_a_control_are_those_of_its_events():
    made = summarised("2026-04", [event(EventKind.CREDENTIAL_OPENED), event(EventKind.CALL_FINISHED)])
    counted = {evidence.control.reference: evidence.events for evidence in made.controls}

    assert (counted["NHI-02"], counted["164.312(b)"], counted["NHI-07"]) == (1, 2, 0)


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return document.render(COVER, summarised("2026-04", [event(EventKind.CALL_FINISHED, actor="ålice")]))


def test_the_pdf_is_tagged_and_says_what_it_is(pdf):
    root = PdfFileReader(io.BytesIO(pdf)).root
    metadata = root["/Metadata"].data.decode()

    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert "Audit pack 2026-04, Acme Dental" in metadata
    assert "pdfuaid" in metadata


def test_the_pdf_is_the_same_each_time(pdf):
    again = document.render(COVER, summarised("2026-04", [event(EventKind.CALL_FINISHED, actor="ålice")]))

    assert again == pdf
    assert document.render(COVER, Summary("2026-04")) != pdf


def test_a_document_fetches_nothing(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not for anybody")
    for address in (secret.as_uri(), "http://127.0.0.1:9/x.png", "data:image/png;base64,AAAA"):
        with pytest.raises(FatalURLFetchingError):
            document.write(f'<html lang="en"><title>x</title><body><img alt="x" src="{address}"></body></html>')
