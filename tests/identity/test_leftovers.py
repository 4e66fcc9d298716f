"""What is over is forgotten by the worker, and nothing that is still good or still says something."""

from datetime import timedelta

from django.utils import timezone

from identity.models import Attempts, EmailChange, Invitation, Mail, PasswordReset
from identity.roles import Role
from identity.services import forget_leftovers, invite
from identity.services.attempts import admit
from identity.services.leftovers import MAIL_KEPT
from identity.services.mail import send_mail_on_commit
from identity.tasks import sweep_leftovers
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_person
from tests.identity.post import post

HOUR = timedelta(hours=1)


def by_the_worker(world: TenantWorld, later: timedelta) -> int:
    with as_role("worker"), acting_for(Context(world.id)):
        return forget_leftovers(timezone.now() + later)


def test_links_that_are_over_go_and_others_stay() -> None:
    alice, now = make_person(make_tenant()), timezone.now()
    change = {"user": alice.user, "old_email": "a@x.example", "new_email": "b@x.example"}
    with alice.world.acting():
        PasswordReset.objects.create(user=alice.user, token_hash=b"old", expires_at=now - HOUR)
        PasswordReset.objects.create(user=alice.user, token_hash=b"good", expires_at=now + HOUR)
        EmailChange.objects.create(**change, token_hash=b"asked, old", expires_at=now - HOUR)
        EmailChange.objects.create(**change, token_hash=b"asked", expires_at=now + HOUR)
        done = {"expires_at": now - HOUR, "confirmed_at": now - 2 * HOUR}
        EmailChange.objects.create(**change, **done, token_hash=b"done, old", undo_until=now - HOUR)
        EmailChange.objects.create(**change, **done, token_hash=b"done", undo_until=now + HOUR, undo_hash=b"undo")

    assert by_the_worker(alice.world, timedelta(0)) == 3

    with alice.world.acting():
        left = [bytes(row.token_hash) for model in (PasswordReset, EmailChange) for row in model.objects.order_by("id")]
    assert left == [b"good", b"asked", b"done"]


def test_messages_go_after_a_while_but_those_of_invitations() -> None:
    world = make_tenant()
    with world.acting():
        invite(email="dora@x.example", role=Role.VIEWER, by=SETUP)
        send_mail_on_commit("account_enabled", "alice@x.example", {"name": "Alice"})
    post(world)
    with world.acting():
        send_mail_on_commit("account_disabled", "alice@x.example", {"name": "Alice"})  # never sent

    assert by_the_worker(world, MAIL_KEPT - HOUR) == 0
    assert by_the_worker(world, MAIL_KEPT + HOUR) == 1

    with world.acting():
        assert set(Mail.objects.values_list("template", flat=True)) == {"invitation", "account_disabled"}
        assert Invitation.objects.count() == 1


def test_tries_that_are_forgotten_go() -> None:
    world = make_tenant()
    with world.acting():
        admit("code", "somebody")

    assert by_the_worker(world, timedelta(hours=23)) == 0
    assert by_the_worker(world, timedelta(hours=25)) == 1


def test_the_sweep_goes_on_after_a_batch_and_from_tenant_to_tenant(monkeypatch, settings) -> None:
    settings.MSPLEX_PROCESS = "worker"
    monkeypatch.setattr("identity.services.leftovers.BATCH", 2)
    people = [make_person(make_tenant()) for _ in range(2)]
    for alice in people:
        with alice.world.acting():
            for number in range(3):
                over = timezone.now() - HOUR
                PasswordReset.objects.create(user=alice.user, token_hash=bytes([number]), expires_at=over)

    with as_role("worker"):
        sweep_leftovers()

    for alice in people:
        with alice.world.acting():
            assert not PasswordReset.objects.exists()
            assert not Attempts.objects.exists()
