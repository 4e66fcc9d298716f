"""The worker's side of e-mail: what is queued goes out, to a mailbox that tests can read."""

import re

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from identity.models import Mail
from identity.services.mail import deliver
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld


def post(world: TenantWorld) -> list[EmailMultiAlternatives]:
    """Send what is queued, as the worker's process does; the messages that went out now."""
    before = len(mail.outbox)
    with as_role("worker"), acting_for(Context(world.id)):
        with transaction.atomic():
            queued = list(Mail.objects.filter(state=Mail.State.QUEUED).order_by("id").values_list("id", flat=True))
        for mail_id in queued:
            deliver(mail_id)
    return mail.outbox[before:]


def link_in(message: EmailMultiAlternatives) -> str:
    """The address that stands alone on its line."""
    (url,) = re.findall(rf"^({re.escape(settings.PUBLIC_URL)}/links/\S+)$", str(message.body), re.MULTILINE)
    return url


def token_in(message: EmailMultiAlternatives) -> str:
    return link_in(message).rstrip("/").rpartition("/")[2]
