"""Preferences are one's own; channels are the owner's, with a second factor; a secret is told once."""

import pytest
from django.urls import reverse

from approvals.models import NotificationChannels, NotificationPreferences
from approvals.notifications.signing import secret_of, shown
from audit.kinds import EventKind
from audit.selectors import events
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_member, make_person

WISH = {
    "email": ["critical"], "ntfy": ["warning", "critical"], "quiet_from": "22:00", "quiet_until": "07:00",
    "timezone": "Europe/Berlin", "critical_breaks_through": "False",
}  # fmt: skip
CHANNELS = {
    "ntfy_server": "https://ntfy.example.org/", "webhook_url": "https://siem.example.org/in/tr0ub4dor",
    "webhook_severities": ["critical"], "escalate_minutes": 10,
}  # fmt: skip
JSON = "application/json"


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


def test_preferences_are_kept_for_oneself_alone(world: TenantWorld) -> None:
    anna, bob = make_person(world, Role.VIEWER, name="anna"), make_person(world, Role.VIEWER, name="bob")
    browser, url = anna.browser(), reverse("portal:notification_preferences")

    assert browser.post(url, WISH).status_code == 302

    with world.acting():
        own = NotificationPreferences.objects.get()
    assert (own.person_id, own.email, own.ntfy) == (anna.id, ["critical"], ["warning", "critical"])
    assert (own.timezone, own.critical_breaks_through) == ("Europe/Berlin", False)
    assert bob.browser().get("/api/v1/notification-preferences/").json()["email"] == ["warning", "critical"]
    with world.acting():
        assert events().get(kind=EventKind.NOTIFICATION_PREFERENCES_SET).actor_id == anna.id


def test_the_api_says_the_same(world: TenantWorld) -> None:
    anna = make_person(world, Role.VIEWER)
    browser, url = anna.browser(), "/api/v1/notification-preferences/"
    assert browser.get(url).json()["ntfy_topic"] == ""

    said = browser.post(url, {**WISH, "critical_breaks_through": False}, JSON).json()

    assert said["quiet_from"] == "22:00"
    assert len(said["ntfy_topic"]) > 24
    assert browser.get(url).json() == said
    renewed = browser.post(f"{url}topic/", {}, JSON).json()
    assert renewed["ntfy_topic"] != said["ntfy_topic"]


def test_a_wrong_time_zone_is_said_beside_the_field(world: TenantWorld) -> None:
    browser = make_person(world, Role.VIEWER).browser()

    page = browser.post(reverse("portal:notification_preferences"), {**WISH, "quiet_until": ""})

    assert page.status_code == 422
    assert "Give both times, or none." in page.content.decode()


def test_channels_are_set_by_an_owner_and_the_log_has_no_path_of_them(world: TenantWorld) -> None:
    owner = make_member(world, Role.OWNER)
    browser, url = owner.browser(), reverse("portal:notification_channels")

    assert browser.post(url, CHANNELS).status_code == 302

    with world.acting():
        found = NotificationChannels.objects.get()
        event = events().get(kind=EventKind.NOTIFICATION_CHANNELS_SET)
    assert (found.ntfy_server, found.escalate_minutes) == ("https://ntfy.example.org", 10)
    assert event.facts["after"]["webhook_url"] == "siem.example.org"
    assert "tr0ub4dor" not in str(event.facts)


def test_a_secret_is_told_once_and_a_reload_replaces_nothing(world: TenantWorld) -> None:
    browser, url = make_member(world, Role.OWNER).browser(), reverse("portal:notification_secret")

    page = browser.post(url, {"replaces": ""})

    with world.acting():
        found = NotificationChannels.objects.get()
    secret = shown(secret_of(world.id, found.webhook_generation))
    assert secret in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert browser.post(url, {"replaces": ""}).status_code == 302
    with world.acting():
        assert NotificationChannels.objects.get().webhook_generation == found.webhook_generation
        kept = str(NotificationChannels.objects.values().get())
    assert secret not in kept
    assert secret not in browser.get(reverse("portal:notification_channels")).content.decode()


def test_a_token_is_in_no_page_and_no_answer(world: TenantWorld) -> None:
    browser, url = make_member(world, Role.OWNER).browser(), reverse("portal:notification_token")
    channels = reverse("portal:notification_channels")
    refused = browser.post(url, {"token": "tk_canary5512"})
    assert (refused.status_code, "Name the ntfy server first" in refused.content.decode()) == (422, True)
    browser.post(channels, CHANNELS)

    assert browser.post(url, {"token": "tk_canary5512"}).status_code == 302

    answer = browser.post("/api/v1/notification-channels/token/", {"token": "tk_canary5513"}, JSON)
    assert (answer.status_code, answer.json()["has_ntfy_token"]) == (200, True)
    wrong = browser.post(url, {"token": "tk canary 5514"})
    pages = [refused, wrong, answer, browser.get(channels), browser.get("/api/v1/notification-channels/")]
    assert [page.status_code for page in pages] == [422, 422, 200, 200, 200]
    assert not any("canary" in page.content.decode() for page in pages)


@pytest.mark.parametrize("url", [
    "http://siem.example.org/in", "ftp://x.example", "https://", "https://user:x@siem.example.org/", "siem.example.org",
    "https://x.example/#part", "javascript:alert(1)",
])  # fmt: skip
def test_an_address_that_is_none_is_refused_with_its_field(world: TenantWorld, settings, url: str) -> None:
    settings.NOTIFY_NETWORKS = ()
    browser = make_member(world, Role.OWNER).browser()

    answer = browser.post("/api/v1/notification-channels/", {**CHANNELS, "webhook_url": url}, JSON)

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["webhook_url"]
