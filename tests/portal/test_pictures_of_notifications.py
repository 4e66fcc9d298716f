"""Pictures of what people are told, light, dark and narrow: MSPLEX_PICTURES=folder."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from approvals.models import Delivery, Notification, NotificationChannels, Recipient
from approvals.notifications.settings import set_preferences
from identity.roles import Role
from tests.factories import make_tenant
from tests.identity.factories import Person, make_member
from tests.portal.factories import make_request
from tests.portal.test_pictures import FOLDER, LOOKS, _dress, _picture
from tests.tenants.furnishing import as_administrator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="no folder for pictures (set MSPLEX_PICTURES)"),
]
NEEDED = "halopsa_delete_ticket for Northwind Customer 1, asked by triage-agent. Reason: The spooler hangs again"
OFF = "HaloPSA. Its page says what is wrong. They come back by themselves when that is mended."
TOLD = (
    ("approval_needed", "critical", "Your approval is asked for", NEEDED, False),
    ("connection_withdrawn", "warning", "A connection's tools are off the list", OFF, True),
    ("approved_call_ran", "info", "Your approved call has run", "halopsa_update_ticket for Customer 2", False),
)  # fmt: skip


@pytest.fixture(scope="module")
def owner(_database: None) -> Person:
    return make_member(make_tenant("northwind"), Role.OWNER)


def furnish(owner: Person) -> None:
    now = datetime.now(UTC) - timedelta(minutes=40)
    with as_administrator(), owner.world.acting():
        NotificationChannels.objects.get_or_create(
            defaults={"ntfy_server": "https://ntfy.example.org", "webhook_url": "https://siem.example.org/in",
                      "webhook_mark": "0" * 16}
        )  # fmt: skip
        for number, (kind, severity, title, text, shared) in enumerate(TOLD):
            made = Notification.objects.create(
                kind=kind, severity=severity, key=f"tests:{uuid4()}", shared=shared, title=title, text=text,
                place="approval", place_id=uuid4(), event_id=uuid4(), first_at=now, last_at=now, times=1 + 3 * number,
                customer=owner.world.customers[number], escalated_at=now if number == 1 else None,
            )  # fmt: skip
            Recipient.objects.create(notification=made, person_id=owner.id)
            Delivery.objects.create(
                notification=made, channel="webhook", problem="unavailable", tries=3, next_try_at=now
            )
    with owner.world.acting():
        set_preferences(
            email=["critical"], ntfy=["warning", "critical"], quiet_from=None, quiet_until=None,
            timezone="Europe/Berlin", critical_breaks_through=True, by=owner.actor,
        )  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_notifications(page: Page, owner: Person, as_person, context: BrowserContext, look: str) -> None:
    furnish(owner)
    as_person(owner)
    _dress(page, look)
    for name in ("notifications", "notification_preferences", "notification_channels"):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, name.replace("_", "-"), look)
    page.goto(reverse("portal:notifications"))
    page.get_by_text("Later").first.click()
    _picture(page, "notifications-later", look)
    request = make_request(
        owner.world, arguments={"host": "srv-print-01", "service": "Spooler", "note": "A long note. " * 60},
        reason="The spooler hangs again, and payroll is today", ticket="T-2041",
    )  # fmt: skip
    page.goto(reverse("portal:approval_card", args=[request.pk]))
    _picture(page, "card", look)
    page.goto(reverse("offline"))
    _picture(page, "offline", look)
