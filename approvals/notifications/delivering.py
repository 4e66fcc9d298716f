"""One try of one message. A try is noted before it is made, so what is killed in between is made again: a receiver may
see a message twice, with the same id, and never not at all."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from approvals.notifications.channels.email import hand_over
from approvals.notifications.channels.ntfy import send_ntfy
from approvals.notifications.channels.posting import SENT, Outcome
from approvals.notifications.channels.webhook import send_webhook
from approvals.notifications.models import (
    Channel,
    Delivery,
    Notification,
    Recipient,
)
from approvals.notifications.planning import channels_of_tenant, enqueue_on_commit, preferences_for
from approvals.notifications.tokens import ntfy_token
from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from identity.selectors import known_principals

MOST_TRIES = 24  # over a day
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
BATCH = 200
NOT_SET_UP = Outcome("not_set_up", final=True)
NO_TOKEN = Outcome("token_unreadable")  # until it is entered again
State = Delivery.State


def enqueue_due(now: datetime) -> None:
    with transaction.atomic():
        due = Delivery.objects.filter(state=State.QUEUED, next_try_at__lte=now).order_by("next_try_at")
        enqueue_on_commit(due.values_list("id", flat=True)[:BATCH])


def deliver(delivery_id: UUID) -> None:
    """Two workers never try the same one at once, and what has gone is not sent again."""
    with transaction.atomic():
        delivery = _claim(delivery_id, datetime.now(UTC))
        if delivery is None or _ended(delivery):
            return
        if delivery.channel == Channel.EMAIL:
            _by_mail(delivery)
            return
    outcome = _send(delivery)
    with transaction.atomic():
        _note(delivery, outcome)


def _claim(delivery_id: UUID, now: datetime) -> Delivery | None:
    rows = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).select_related("notification")
    found = rows.filter(id=delivery_id, state=State.QUEUED, next_try_at__lte=now).first()
    if found is not None:
        found.tries += 1
        found.next_try_at = now + min(FIRST_PAUSE * 2 ** (found.tries - 1), LONGEST_PAUSE)
        found.save(update_fields=["tries", "next_try_at"])
    return found


def _ended(delivery: Delivery) -> bool:
    """Whether there is nothing to be told any more: it is over, has been seen, or the person may not see it now."""
    over = delivery.notification.state != Notification.State.OPEN
    if over or (delivery.person_id and not _is_for(delivery, delivery.person_id)):
        _finish(delivery, State.SKIPPED)
        return True
    return False


def _is_for(delivery: Delivery, person: UUID) -> bool:
    told = delivery.notification
    row = Recipient.objects.filter(notification=told, person_id=person, acknowledged_at=None)
    found = known_principals([person]).get(person)
    if found is None or not row.exists():
        return False
    scope = found.scope()
    return scope is None or told.customer_id in scope


def _by_mail(delivery: Delivery) -> None:
    person = known_principals([delivery.person_id] if delivery.person_id else ())
    for each in person.values():
        hand_over(delivery, each.label)  # an account is called by its address
    _finish(delivery, State.SENT)


def _send(delivery: Delivery) -> Outcome:
    with transaction.atomic():
        to = channels_of_tenant()
        wish = preferences_for(delivery.person_id)
        token = ntfy_token(to) if to.ntfy_token_id and delivery.channel == Channel.NTFY else None
    if delivery.channel == Channel.WEBHOOK:
        return send_webhook(delivery, to) if to.webhook_url else NOT_SET_UP
    if to.ntfy_token_id and token is None:
        return NO_TOKEN
    return send_ntfy(delivery, to.ntfy_server, wish.ntfy_topic, token) if wish and to.ntfy_server else NOT_SET_UP


def _note(delivery: Delivery, outcome: Outcome) -> None:
    if outcome == SENT:
        _finish(delivery, State.SENT)
    elif outcome.final or delivery.tries >= MOST_TRIES:
        _finish(delivery, State.FAILED, outcome.problem)
        _record_failed(delivery)
    else:
        Delivery.objects.filter(id=delivery.pk).update(problem=outcome.problem)


def _finish(delivery: Delivery, state: Delivery.State, problem: str = "") -> None:
    delivery.state, delivery.problem, delivery.finished_at = state, problem, datetime.now(UTC)
    delivery.save(update_fields=["state", "problem", "finished_at"])


def _record_failed(delivery: Delivery) -> None:
    told = delivery.notification
    record(
        EventKind.NOTIFICATION_FAILED,
        actor=system("worker"),
        subject=("notification", told.pk, told.title),
        customer_id=told.customer_id,
        result="failed",
        body={"channel": delivery.channel, "problem": delivery.problem, "tries": delivery.tries},
    )
