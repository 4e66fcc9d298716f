"""Sessions of the browser: opened after the second factor, ended by the person, by time, or with the account."""

import dataclasses
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.cookies import SessionCookie
from identity.models import Principal, Session
from identity.principals import ActingPrincipal
from identity.selectors import security_policy
from identity.services.ending import end_sessions
from identity.services.principals import check_managed

USER_AGENT_LENGTH = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Client:
    """Where a request came from. `device`: the cookie of a browser in which somebody has signed in before."""

    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    device: str = dataclasses.field(default="", repr=False)


@transaction.atomic
def open_session(principal: ActingPrincipal, *, method: str, client: Client) -> str:
    """The value of the new session's cookie; its key is in no other place."""
    now = timezone.now()
    cookie = SessionCookie.new(principal.tenant_id, principal.id)
    session = Session.objects.create(
        principal_id=principal.id,
        customer_id=Principal.objects.values_list("customer_id", flat=True).get(id=principal.id),
        key_hash=cookie.key_hash(),
        epoch=principal.epoch,
        last_seen_at=now,
        expires_at=now + security_policy().session,
        mfa_at=now,
        mfa_method=method,
        address=client.address,
        user_agent=client.user_agent[:USER_AGENT_LENGTH],
    )
    actor = principal.actor(client.address, client.request_id)
    record(EventKind.SIGNED_IN, actor=actor, subject=("session", session.pk, ""), body={"method": method})
    return cookie.sealed()


@transaction.atomic
def sign_out(session_id: UUID, *, by: Actor) -> None:
    """Ends one session: one's own, or of someone that `by` manages."""
    session = Session.objects.select_related("principal").filter(id=session_id, ended_at=None).first()
    if session is None:
        return
    if session.principal_id != by.id:
        check_managed(session.principal, by)
    end_sessions(Session.objects.filter(id=session_id), Session.End.SIGNED_OUT, by=by.label)
    record(EventKind.SIGNED_OUT, actor=by, subject=("session", session_id, ""))
