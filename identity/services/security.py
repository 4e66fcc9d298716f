"""How strict the tenant is about signing in. It holds from the next request on, for sessions that are open, too."""

from typing import Any

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.models import SecurityPolicy
from identity.models.security import LONGEST_IDLE, LONGEST_SESSION, SHORTEST_IDLE, SHORTEST_SESSION
from identity.permissions import Permission
from identity.services.authority import authorise
from identity.services.notices import OWNERS, holders, tell_all
from tenants.errors import Invalid
from tenants.selectors import tenant

WORDS = {
    "idle_minutes": "signed out when not used for",
    "session_minutes": "signed out in any case after",
    "passkey_sign_in": "passkeys in place of password and code",
}


def _check(value: int, shortest: int, longest: int, field: str) -> None:
    if not shortest <= value <= longest:
        raise Invalid(f"Between {shortest} and {longest} minutes.", field=field, code="out_of_bounds")


def _changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = (name for name in WORDS if before[name] != after[name])
    return "; ".join(f"{WORDS[name]} {_word(before[name])}, now {_word(after[name])}" for name in changed)


def _word(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value} minutes"


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
        changes = _changes(before, policy.values())
        workspace = tenant().workspace
        tell_all(holders(OWNERS), "security_changed", by=by.label, workspace=workspace, changes=changes)
    return policy
