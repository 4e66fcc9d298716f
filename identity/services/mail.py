"""E-mail to people: written down with what it is about, sent by the worker after the commit, tried again for hours."""

import contextlib
import smtplib
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils import timezone

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from identity.letters import message_of
from identity.links import Link, open_url, seal_url
from identity.models import Mail, User
from identity.services.authority import whole_tenant
from identity.tasks import deliver_mail
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant
from tenants.isolation.tasks import signed_context

MOST_TRIES = 8
FIRST_PAUSE = timedelta(minutes=1)  # doubled each time: the last try is two hours after the first
LONGEST_PROBLEM = 200
BATCH = 100


def send_mail_on_commit(
    template: str, to: str, context: Mapping[str, str], *, customer_id: UUID | None = None, link: Link | None = None
) -> Mail:
    """Write the message in the open transaction; the worker sends it when that has committed.

    `customer_id`: whose managers see how it went. `link` is kept sealed, and only until the message has gone.
    """
    mail_id = uuid7()
    with whole_tenant():  # a person may belong to another customer than those their roles are for
        mail = Mail.objects.create(
            id=mail_id,
            template=template,
            recipient=to,
            customer_id=customer_id,
            context=dict(context),
            sealed_link=seal_url(link.url, tenant=acting_tenant(), mail=mail_id) if link else None,
        )
    _enqueue_on_commit(mail_id)
    return mail


def tell(user: User, template: str, **context: str) -> Mail:
    """A message to a person about the own account."""
    return send_mail_on_commit(template, user.email, {"name": user.name} | context, customer_id=user.customer_id)


def _enqueue_on_commit(mail_id: UUID) -> None:
    """Also without a queue what was asked for is done: the sweep finds the message."""
    args = (str(mail_id),)
    headers = {"msplex": signed_context(deliver_mail.name, args, None)}

    def enqueue() -> None:  # a function, because Django names it when it fails
        deliver_mail.apply_async(args, headers=headers)

    transaction.on_commit(enqueue, robust=True)


def enqueue_nothing_on_commit() -> None:
    """As much work as a message makes, for those who would measure whether there was one."""
    _enqueue_on_commit(uuid7())


def enqueue_due_mail() -> None:
    with transaction.atomic():
        due = Mail.objects.filter(state=Mail.State.QUEUED, next_try_at__lte=timezone.now()).order_by("next_try_at")
        for mail_id in due.values_list("id", flat=True)[:BATCH]:
            _enqueue_on_commit(mail_id)


def deliver(mail_id: UUID) -> None:
    """One try. Two workers never try the same message at once; one that was sent is not sent again."""
    now = timezone.now()
    with transaction.atomic():
        mail = _claim(mail_id, now)
    if mail is None:
        return
    problem, permanent = _send(mail)
    with transaction.atomic():
        _note(mail, problem, given_up=permanent or mail.tries >= MOST_TRIES)


def _claim(mail_id: UUID, now: datetime) -> Mail | None:
    due = Mail.objects.select_for_update(skip_locked=True).filter(state=Mail.State.QUEUED, next_try_at__lte=now)
    mail = due.filter(id=mail_id).first()
    if mail is not None:
        mail.tries += 1
        mail.next_try_at = now + FIRST_PAUSE * 2 ** (mail.tries - 1)
        mail.save(update_fields=["tries", "next_try_at"])
    return mail


def _send(mail: Mail) -> tuple[str, bool]:
    """What went wrong, or nothing; and whether it would go wrong every time. No transaction is open meanwhile."""
    url = open_url(mail.sealed_link, tenant=mail.tenant_id, mail=mail.pk) if mail.sealed_link else ""
    if url is None:
        return "The link was sealed under a key that has been replaced. Send it again.", True
    try:
        _hand_in(message_of(mail, url))
    except smtplib.SMTPRecipientsRefused as error:
        code, _ = next(iter(error.recipients.values()), (0, b""))
        return f"The mail server does not take messages for this address ({code}).", _is_final(code)
    except smtplib.SMTPResponseException as error:
        return f"The mail server answered {error.smtp_code}.", False
    except (smtplib.SMTPException, OSError) as error:
        return f"The mail server could not be used: {error.strerror or error or type(error).__name__}", False
    return "", False


def _hand_in(message: EmailMessage) -> None:
    """Django leaves a connection open on which it could not log in."""
    message.connection = get_connection()
    try:
        message.send()
    finally:
        with contextlib.suppress(OSError):
            message.connection.close()


def _is_final(code: int) -> bool:
    return code >= HTTPStatus.INTERNAL_SERVER_ERROR  # as in SMTP: 4yz may pass, 5yz will not


def _note(mail: Mail, problem: str, *, given_up: bool) -> None:
    if problem and not given_up:
        Mail.objects.filter(id=mail.pk).update(problem=problem[:LONGEST_PROBLEM])
        return
    mail.state = Mail.State.FAILED if problem else Mail.State.SENT
    mail.problem = problem[:LONGEST_PROBLEM]
    mail.sealed_link, mail.finished_at = None, timezone.now()
    mail.save(update_fields=["state", "problem", "sealed_link", "finished_at"])
    if problem:
        record(
            EventKind.MAIL_FAILED,
            actor=system("worker"),
            subject=("mail", mail.pk, mail.recipient),
            customer_id=mail.customer_id,
            result="failed",
            body={"template": mail.template, "problem": mail.problem},
        )
