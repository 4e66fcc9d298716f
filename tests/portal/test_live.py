"""The log of calls as they come, and denials by gate and day."""

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from connectors.models import ToolCall
from identity.models import Session
from msplex.decision.decide import decide
from msplex.decision.verdicts import Gate, Request
from msplex.portal.gates import times_of, way_through
from msplex.portal.plots import bars_of
from msplex.portal.selectors import refusals_by_gate
from msplex.templatetags.portal import milliseconds
from tests.decision.test_decide import make_snapshot
from tests.portal.factories import PASSED, Furnished, furnish, make_call, make_refusal
from tests.tenants.furnishing import as_administrator

UNATTENDED = {"HX-Request": "true", "X-Unattended": "yes"}


@pytest.fixture
def acme() -> Furnished:
    return furnish("acme")


def test_the_log_is_followed_with_the_filters_that_are_set_and_from_its_newest_page(acme):
    browser = acme.owner.browser()

    still = browser.get(reverse("portal:calls"), {"state": "refused", "before": str(acme.call.pk)})
    live = browser.get(f"{reverse('portal:calls')}?{still.context['toggled']}")
    page = live.content.decode()

    assert still.context["toggled"] == "state=refused&live=1"
    assert "every 3s" not in still.content.decode()
    assert 'hx-get="?state=refused&amp;live=1"' in page
    assert "every 3s" in page
    assert live.context["toggled"] == "state=refused"
    newest = make_refusal(acme.world)
    asked = browser.get(f"{reverse('portal:calls')}?state=refused&live=1", headers=UNATTENDED).content.decode()
    assert str(newest.pk) in asked
    assert str(acme.call.pk) not in asked


def test_a_page_that_asks_by_itself_does_not_keep_a_session_alive(acme):
    browser = acme.owner.browser()
    with acme.world.acting():
        before = timezone.now() - timedelta(minutes=10)
        Session.objects.filter(principal=acme.owner.id).update(last_seen_at=before)

    assert browser.get(f"{reverse('portal:calls')}?live=1", headers=UNATTENDED).status_code == 200
    with acme.world.acting():
        assert Session.objects.filter(principal=acme.owner.id).latest("id").last_seen_at == before
    browser.get(reverse("portal:calls"))
    with acme.world.acting():
        assert Session.objects.filter(principal=acme.owner.id).latest("id").last_seen_at > before


def test_every_page_that_asks_by_itself_says_so(acme):
    """Whatever polls in the templates sends the header."""
    polling = [
        path for path in (settings.BASE_DIR / "templates").rglob("*.html") if 'hx-trigger="every' in path.read_text()
    ]

    assert len(polling) >= 3
    assert [path.name for path in polling if "X-Unattended" not in path.read_text()] == []


def test_denials_are_counted_by_gate_and_day(acme):
    now = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)
    with as_administrator(), acme.world.acting():
        ToolCall.objects.all().delete()
    for day, gate in (
        (28, Gate.CHECK_QUOTA),
        (28, Gate.CHECK_QUOTA),
        (22, Gate.CHECK_QUOTA),
        (27, Gate.EVALUATE_POLICY),
    ):
        made = make_refusal(acme.world, gate)
        with as_administrator(), acme.world.acting():
            ToolCall.objects.filter(pk=made.pk).update(created_at=datetime(2026, 11, day, 0, 0, 1, tzinfo=UTC))
    make_call(acme.world)

    with acme.world.acting():
        found = refusals_by_gate(now)

    assert [(each.gate, each.days, each.count) for each in found] == [
        (Gate.CHECK_QUOTA, (1, 0, 0, 0, 0, 0, 2), 3),
        (Gate.EVALUATE_POLICY, (0, 0, 0, 0, 0, 1, 0), 1),
    ]


def test_rows_of_bars_are_on_one_scale():
    tall, low = bars_of([(0, 10, 5), (1, 0, 0)])

    assert [(bar.x, bar.y, bar.height) for bar in tall.bars] == [(10, 0, 30), (20, 15, 15)]
    assert [(bar.x, bar.height) for bar in low.bars] == [(0, 3)]
    assert bars_of([(0, 0)])[0].bars == []


def test_each_gate_of_the_decision_says_how_long_it_took():
    """In the record, and beside the gate; what a call was decided by does not depend on it."""
    said = decide(make_snapshot(), None, Request("halopsa_list_tickets", {}))
    (refused,) = said.as_json()
    assert refused["us"] > 0
    assert dataclasses.replace(said.verdicts[0], us=7) == said.verdicts[0]

    (first, *_) = way_through([refused | {"ok": True, "us": 240}])
    assert first.took == timedelta(microseconds=240)
    assert milliseconds(first.took) == "0.24 ms"
    assert [milliseconds(timedelta(milliseconds=each)) for each in (1, 14)] == ["1 ms", "14 ms"]


def test_the_gates_of_a_call_say_where_its_time_went():
    began = datetime(2026, 11, 28, tzinfo=UTC)
    call = SimpleNamespace(
        created_at=began, started_at=began + timedelta(milliseconds=14), finished_at=began + timedelta(milliseconds=94)
    )

    steps = {step.sign.gate: step.took for step in way_through(PASSED, times_of(call)) if step.took}

    assert steps == {Gate.DISPATCH: timedelta(milliseconds=14), Gate.EXECUTE: timedelta(milliseconds=80)}
    assert times_of(SimpleNamespace(created_at=began, started_at=None, finished_at=None)) == {}
