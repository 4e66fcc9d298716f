"""Messages to phones go by a real ntfy server that is closed to all but whom docs/notifications.md lets in."""

import pytest

from approvals.models import Delivery
from approvals.notifications.tokens import set_ntfy_token
from identity.roles import Role
from tests.approvals.asking import Desk
from tests.approvals.sending import ALL, make_due, prefers, quiet_desk, send, set_up
from tests.approvals.telling import follow
from tests.identity.factories import SETUP, Person, make_person
from tests.receivers.ntfy_server import NtfyServer

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(settings) -> Desk:
    return quiet_desk(settings)


@pytest.fixture
def anna(desk: Desk, ntfy_server: NtfyServer) -> Person:
    """Her phone may read her topic."""
    anna = make_person(desk.world, Role.ADMIN, name="anna")
    ntfy_server.start()
    ntfy_server.add_reader("anna", prefers(anna, ntfy=ALL).ntfy_topic)
    set_up(desk, ntfy_server=ntfy_server.url)
    return anna


def open_to_writers(server: NtfyServer) -> None:
    """The one command that docs/notifications.md asks for."""
    server.command("access", "everyone", "msplex-*", "write-only")


def by_ntfy(sent: list[Delivery]) -> Delivery:
    (row,) = [each for each in sent if each.channel == "ntfy"]
    return row


def test_a_phone_gets_what_waits_for_its_person_and_nobody_else_can_read_it(
    desk: Desk, anna: Person, ntfy_server: NtfyServer
) -> None:
    open_to_writers(ntfy_server)
    request = desk.asked(reason="The printer is stuck: größer")
    follow(desk.world)

    assert by_ntfy(send(desk)).state == "sent"

    topic = prefers(anna, ntfy=ALL).ntfy_topic
    (message,) = ntfy_server.messages(topic, "anna")
    assert message["event"] == "message"
    assert (message["topic"], message["priority"]) == (topic, 5)
    assert "The printer is stuck: größer" in message["message"]
    assert message["click"].endswith(f"/approvals/{request.pk}/card/")
    assert ntfy_server.messages(topic) == 403
    ntfy_server.command("user", "add", "eve")
    assert ntfy_server.messages(topic, "eve") == 403


def test_a_server_that_is_down_and_up_again_has_each_message_once(
    desk: Desk, anna: Person, ntfy_server: NtfyServer
) -> None:
    open_to_writers(ntfy_server)
    ntfy_server.stop()
    desk.asked()
    follow(desk.world)

    waiting = by_ntfy(send(desk))
    assert (waiting.state, waiting.problem) == ("queued", "unreachable")
    ntfy_server.start()
    make_due(desk)
    send(desk)
    make_due(desk)

    assert by_ntfy(send(desk)).state == "sent"
    assert len(ntfy_server.messages(prefers(anna, ntfy=ALL).ntfy_topic, "anna")) == 1


def test_a_server_that_is_closed_to_everybody_takes_messages_with_the_tenants_token(
    desk: Desk, anna: Person, ntfy_server: NtfyServer
) -> None:
    topic = prefers(anna, ntfy=ALL).ntfy_topic
    with desk.world.acting():
        set_ntfy_token(token=ntfy_server.add_publisher("msplex", "msplex-*"), by=SETUP)
    desk.asked()
    follow(desk.world)

    assert by_ntfy(send(desk)).state == "sent"

    assert len(ntfy_server.messages(topic, "anna")) == 1
    assert ntfy_server.messages(topic, "msplex") == 403, "who publishes reads nothing"


def test_a_server_that_does_not_let_us_write_is_named_and_asked_again(
    desk: Desk, anna: Person, ntfy_server: NtfyServer
) -> None:
    desk.asked()
    follow(desk.world)

    waiting = by_ntfy(send(desk))
    assert (waiting.state, waiting.problem) == ("queued", "status_403")
    open_to_writers(ntfy_server)
    make_due(desk)
    assert by_ntfy(send(desk)).state == "sent"
