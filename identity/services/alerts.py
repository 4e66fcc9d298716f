"""E-mail about alerts that cannot wait, to those who answer for the whole tenant."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.alerts import HEADLINES, REMEDIES, AlertKind
from audit.models import Alert
from audit.selectors import alerts_to_tell
from identity.models import Principal
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.selectors import active_bindings
from identity.services.mail import send_mail_on_commit
from tenants.selectors import tenant

TOLD_AT_ONCE = 20  # alerts of one round; the next round has the others


@transaction.atomic
def tell_of_open_alerts() -> int:
    """Once for each alert, however many workers try. Returns how many were told of."""
    found = list(alerts_to_tell().select_for_update(skip_locked=True)[:TOLD_AT_ONCE])
    if not found:
        return 0
    people, workspace = _answerable(), tenant().name
    for alert in found:
        for person in people:
            send_mail_on_commit("alert", person, _words(alert, workspace))
    Alert.objects.filter(id__in=[alert.pk for alert in found]).update(told_at=timezone.now())
    return len(found)


def _answerable() -> list[str]:
    """Their addresses. Of people the worker may read no more than what they are called by, which is that."""
    wide = active_bindings().filter(role__in=[Role.OWNER, Role.ADMIN], customer=None).values("principal_id")
    people = Principal.objects.filter(id__in=wide, kind=PrincipalKind.USER, disabled_at=None)
    return list(people.order_by("id").values_list("label", flat=True))


def _words(alert: Alert, workspace: str) -> dict[str, str]:
    kind = AlertKind(alert.kind)
    return {
        "workspace": workspace,
        "headline": HEADLINES[kind],
        "remedy": REMEDIES[kind],
        "subject": alert.subject_label,
        "actor": alert.actor_label,
        "at": f"{alert.first_at:%-d %b %Y, %H:%M UTC}",
        "address": f"{settings.PUBLIC_URL}/alerts/{alert.pk}/",
    }
