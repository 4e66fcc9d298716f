"""Letters go to a real mail server, over TLS and with a password; it refuses, goes away mid-way and comes back:
each letter is kept, and none twice but where SMTP itself cannot tell (the answer to what was kept is lost)."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audit.selectors import events
from identity.links import Link, Purpose
from identity.models import Mail
from identity.services.mail import send_mail_on_commit
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.post import post
from tests.receivers.certificates import write_certificate
from tests.receivers.mail_server import MailServer, use_mail_server

pytestmark = pytest.mark.slow
CONTEXT = {"name": "Alice", "by": "bob@acme.example", "at": "today"}


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def write(world: TenantWorld, to: str = "alice@acme.example") -> Mail:
    with world.acting():
        return send_mail_on_commit("account_disabled", to, CONTEXT)


def again(world: TenantWorld, letter: Mail) -> Mail:
    with world.acting():
        return Mail.objects.get(id=letter.pk)


def try_again(world: TenantWorld) -> None:
    """The pause is over, and the worker looks."""
    with as_role("worker"), world.acting():
        Mail.objects.filter(state="queued").update(next_try_at=timezone.now() - timedelta(seconds=1))
    post(world)


def kept_of(server: MailServer, letter: Mail) -> int:
    return sum(str(letter.pk) in str(message["Message-ID"]) for message in server.messages)


def test_a_letter_arrives_over_tls_and_whole(acme: TenantWorld, mail_server: MailServer) -> None:
    mail_server.start()
    link = Link.new(Purpose.PASSWORD, acme.id)
    with acme.acting():
        context = {"email": "a@x.example", "workspace": "acme", "expires": "soon"}
        letter = send_mail_on_commit("password_reset", "a@x.example", context, link=link)

    post(acme)

    assert again(acme, letter).state == "sent"
    (row,) = mail_server.kept
    assert (row["to"], row["sender"], row["encrypted"]) == (["a@x.example"], "msplex@acme.example", True)
    plain = row["message"].get_payload()[0].get_payload(decode=True).decode()
    assert link.url in plain.splitlines()
    assert kept_of(mail_server, letter) == 1


def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(
    acme: TenantWorld, mail_server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server.start()
    other = tmp_path / "other"
    other.mkdir()
    write_certificate(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other / "certificate.pem"))
    letter = write(acme)

    post(acme)

    assert again(acme, letter).state == "queued"
    assert "certificate verify failed" in again(acme, letter).problem.lower().replace("_", " ")
    assert mail_server.kept == []


def test_a_wrong_password_is_named_without_it_and_the_letter_waits(
    acme: TenantWorld, mail_server: MailServer, settings
) -> None:
    mail_server.start()
    use_mail_server(settings, mail_server.url("open barley"))
    letter = write(acme)

    post(acme)

    assert (again(acme, letter).state, again(acme, letter).problem) == ("queued", "The mail server answered 535.")
    use_mail_server(settings, mail_server.url())
    try_again(acme)
    assert again(acme, letter).state == "sent"
    assert kept_of(mail_server, letter) == 1


def test_a_mailbox_that_is_refused_for_good_stops_its_own_letter_only(
    acme: TenantWorld, mail_server: MailServer
) -> None:
    mail_server.start()
    refused, taken = write(acme, "nobody@acme.example"), write(acme)

    post(acme)

    assert (again(acme, refused).state, again(acme, taken).state) == ("failed", "sent")
    assert "(550)" in again(acme, refused).problem
    with acme.acting():
        assert events().get(kind="identity:mail:fail").subject_id == refused.pk
    assert [row["to"] for row in mail_server.kept] == [["alice@acme.example"]]


def test_a_mailbox_that_takes_no_letters_yet_gets_it_later(acme: TenantWorld, mail_server: MailServer) -> None:
    mail_server.start()
    mail_server.order("later")
    letter = write(acme)

    post(acme)

    assert (again(acme, letter).state, mail_server.kept) == ("queued", [])
    try_again(acme)
    try_again(acme)
    assert again(acme, letter).state == "sent"
    assert kept_of(mail_server, letter) == 1


@pytest.mark.parametrize(
    ("moment", "state", "copies"),
    [
        ("die_before", "queued", 1),  # it has the letter, and has not kept it
        ("die_done", "sent", 1),  # it has said that it kept it
        ("die_after", "queued", 2),  # it has kept it, and could not say so: RFC 1047
    ],
)
def test_a_server_that_goes_away_in_the_middle_of_a_letter_has_it_when_it_is_back(
    acme: TenantWorld, mail_server: MailServer, moment: str, state: str, copies: int
) -> None:
    mail_server.start()
    mail_server.order(moment)
    letter = write(acme)

    post(acme)

    assert mail_server.has_died()
    assert again(acme, letter).state == state
    try_again(acme)
    mail_server.start()
    try_again(acme)
    try_again(acme)
    assert again(acme, letter).state == "sent"
    assert kept_of(mail_server, letter) == copies
    assert len({message["Message-ID"] for message in mail_server.messages}) == 1  # so a mailbox can tell


def test_of_many_letters_none_is_lost_and_none_is_there_twice_when_the_server_comes_and_goes(
    acme: TenantWorld, mail_server: MailServer
) -> None:
    written = [write(acme, f"person{number}@acme.example") for number in range(20)]
    post(acme)  # nobody listens yet
    for order in ("die_before", "later", "die_done", "die_before"):
        mail_server.stop()
        mail_server.start()
        mail_server.order(order)
        try_again(acme)
    mail_server.stop()
    mail_server.start()
    try_again(acme)

    assert {again(acme, letter).state for letter in written} == {"sent"}
    counts = Counter(row["to"][0] for row in mail_server.kept)
    assert counts == {f"person{number}@acme.example": 1 for number in range(20)}
