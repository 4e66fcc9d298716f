"""The token of a tenant's ntfy server: only the process that sends opens it, and it is sent to that server alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as configured
from django.db import DatabaseError, transaction

from approvals.models import Delivery, NotificationChannels, NtfyToken
from approvals.notifications.forgetting import forget
from approvals.notifications.tokens import ntfy_token, set_ntfy_token
from audit.kinds import EventKind
from audit.models import Event
from audit.selectors import events
from identity.roles import Role
from tenants.errors import Invalid, NotAllowed
from tests.approvals.asking import Desk
from tests.approvals.receivers import receiving
from tests.approvals.sending import ALL, prefers, quiet_desk, rows, send, set_up
from tests.approvals.telling import follow
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, make_person
from tests.tenants.furnishing import as_administrator

TOKEN, SERVER = "tk_canary7081jkqwertzuiopasdfghj1", "https://ntfy.example.org"


@pytest.fixture
def desk(settings) -> Desk:
    return quiet_desk(settings)


def give(desk: Desk, token: str = TOKEN) -> None:
    with desk.world.acting():
        set_ntfy_token(token=token, by=SETUP)


def opened(desk: Desk) -> str | None:
    with as_role("worker"), desk.world.acting():
        found = ntfy_token(NotificationChannels.objects.get())
        return found.reveal_text() if found else None


def by_ntfy(sent: list[Delivery]) -> Delivery:
    (row,) = [each for each in sent if each.channel == "ntfy"]
    return row


def test_messages_go_with_the_token_in_the_header_and_nowhere_else(desk: Desk, caplog) -> None:
    prefers(make_person(desk.world, Role.ADMIN), ntfy=ALL)
    with receiving() as server:
        set_up(desk, ntfy_server=server.url)
        give(desk)
        desk.asked()
        follow(desk.world)
        assert by_ntfy(send(desk)).state == "sent"

    (message,) = server.got
    assert message.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() not in message.body
    assert TOKEN not in caplog.text


def test_the_portal_can_add_a_token_and_read_none(desk: Desk) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk)

    with desk.world.acting(), pytest.raises(DatabaseError), transaction.atomic():
        NtfyToken.objects.first()
    with as_administrator(), desk.world.acting():
        kept = bytes(NtfyToken.objects.get().sealed)
    assert TOKEN.encode() not in kept
    assert opened(desk) == TOKEN


def test_without_the_workers_key_nothing_opens_and_the_message_waits(desk: Desk, settings) -> None:
    prefers(make_person(desk.world, Role.ADMIN), ntfy=ALL)
    with receiving() as server:
        set_up(desk, ntfy_server=server.url)
        give(desk)
        settings.NOTIFY_KEY = (bytes(range(32)),)
        desk.asked()
        follow(desk.world)
        waiting = by_ntfy(send(desk))

    assert (waiting.state, waiting.problem, server.got) == ("queued", "token_unreadable", [])


def test_a_key_that_is_added_leaves_the_older_one_in_use(desk: Desk, settings) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk)
    settings.NOTIFY_KEY = (*configured.NOTIFY_KEY, bytes(range(32)))

    assert opened(desk) == TOKEN


def test_another_server_gets_no_token_whoever_has_named_it(desk: Desk) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk)
    with as_administrator(), desk.world.acting():
        NotificationChannels.objects.update(ntfy_server="https://evil.example")
    assert opened(desk) is None, "the row was changed behind our back"

    with as_administrator(), desk.world.acting():
        NotificationChannels.objects.update(ntfy_server=SERVER)
    assert opened(desk) == TOKEN
    set_up(desk, ntfy_server="https://other.example.org")
    with desk.world.acting():
        assert NotificationChannels.objects.get().ntfy_token_id is None


def test_a_row_that_was_moved_opens_for_nobody(desk: Desk) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk)
    other = make_tenant()
    with as_administrator(), desk.world.acting():
        row = NtfyToken.objects.get()
    with as_administrator(), other.acting():
        NtfyToken.objects.create(id=row.pk, key_id=row.key_id, sealed=row.sealed)
        NotificationChannels.objects.create(ntfy_server=SERVER, ntfy_token_id=row.pk)
    with as_role("worker"), other.acting():
        assert ntfy_token(NotificationChannels.objects.get()) is None


def test_what_is_written_down_says_that_there_is_one_and_not_which(desk: Desk) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk)
    give(desk, "")

    with desk.world.acting():
        said = [each.facts["ntfy_token"] for each in events().filter(kind=EventKind.NOTIFICATION_CHANNELS_SET)
                if "ntfy_token" in each.facts]  # fmt: skip
        everything = "".join(str(vars(each)) for each in Event.objects.all())
    assert sorted(said) == ["removed", "set"]
    assert TOKEN not in everything
    assert opened(desk) is None


@pytest.mark.parametrize("token", ["short", "with a space in it", "x" * 201, "newline\nin-the-middle"])
def test_what_is_no_token_is_refused_and_not_repeated(desk: Desk, token: str) -> None:
    set_up(desk, ntfy_server=SERVER)

    with pytest.raises(Invalid) as refused:
        give(desk, token)

    assert refused.value.field == "token"
    assert token not in refused.value.message


def test_a_token_needs_a_server_and_an_owner(desk: Desk) -> None:
    with pytest.raises(Invalid, match="Name the ntfy server first"):
        give(desk)
    set_up(desk, ntfy_server=SERVER)
    admin = make_person(desk.world, Role.ADMIN)
    with desk.world.acting(), pytest.raises(NotAllowed):
        set_ntfy_token(token=TOKEN, by=admin.actor)


def test_a_token_that_was_replaced_is_forgotten_after_a_day(desk: Desk) -> None:
    set_up(desk, ntfy_server=SERVER)
    give(desk, "tk_the_one_before")
    give(desk)

    for later, left in ((timedelta(hours=1), 2), (timedelta(days=2), 1)):
        with as_role("worker"), desk.world.acting():
            forget(datetime.now(UTC) + later)
            assert NtfyToken.objects.count() == left
    assert opened(desk) == TOKEN
    assert rows(desk) == []
