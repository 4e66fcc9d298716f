"""How strict the tenant is about signing in. It holds from the next request on, for sessions that are open, too."""

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.models import SecurityPolicy
from identity.models.security import LONGEST_IDLE, LONGEST_SESSION, SHORTEST_IDLE, SHORTEST_SESSION
from identity.permissions import Permission
from identity.services.authority import authorise
from tenants.errors import Invalid


def _check(value: int, shortest: int, longest: int, field: str) -> None:
    if not shortest <= value <= longest:
        raise Invalid(f"Between {shortest} and {longest} minutes.", field=field, code="out_of_bounds")


@transaction.atomic
def set_security_policy(*, idle_minutes: int, session_minutes: int, passkey_sign_in: bool, by: Actor) -> SecurityPolicy:
    authorise(by, Permission.TENANT_SETTINGS_MANAGE, None)
    _check(idle_minutes, SHORTEST_IDLE, LONGEST_IDLE, "idle_minutes")
    _check(session_minutes, SHORTEST_SESSION, LONGEST_SESSION, "session_minutes")
    policy, _ = SecurityPolicy.objects.get_or_create()
    policy = SecurityPolicy.objects.select_for_update().get(id=policy.pk)
    before = policy.values()
    policy.idle_minutes, policy.session_minutes = idle_minutes, session_minutes
    policy.passkey_sign_in = passkey_sign_in
    policy.save()
    if policy.values() != before:
        body = {"before": before, "after": policy.values()}
        record(EventKind.SECURITY_POLICY_SET, actor=by, subject=("tenant", policy.pk, ""), body=body)
    return policy
