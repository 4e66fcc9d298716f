"""People hear of grants that hosts hold: that one is issued, not that they have to run it, and what became of it."""

import pytest

from approvals.models import Notification
from tests.approvals.holding import Held
from tests.approvals.telling import follow, told
from tests.conftest import as_role
from tests.packs.test_held_grants import used

pytestmark = pytest.mark.usefixtures("broker")


def titles(held: Held) -> dict[str, str]:
    with as_role("app"), held.world.tenant.acting():
        return dict(Notification.objects.values_list("kind", "title"))


def test_who_asked_is_told_what_the_host_has_done_and_is_never_asked_to_run_it(connected) -> None:
    held = Held(connected)
    used(held)
    with as_role("app"):
        follow(connected.tenant)

        said = told(connected.tenant)
    assert held.alice.id in said["approved_call_ran"]
    assert titles(held)["approval_given"] == "Approved: its host gets the grant"
