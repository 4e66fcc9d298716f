"""request.session for Django's own parts, over the tenant's Session row. Who is not signed in has no row."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db.models import JSONField, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils import timezone

from identity.cookies import SessionCookie
from identity.models import SecurityPolicy, Session

TOUCH_SECONDS = 60  # `last_seen_at` is written at most this often


class NoSession(SessionBase):
    """For visitors who are not signed in: lasts for the request."""

    def __init__(self) -> None:
        super().__init__(None)
        self._session_cache: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        return {}

    def exists(self, session_key: str) -> bool:  # noqa: ARG002
        return False

    def create(self) -> None:
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """There is nothing to keep it in."""

    def delete(self, session_key: str | None = None) -> None:  # noqa: ARG002
        self._session_cache = {}


class TenantSession(NoSession):
    """Of a person who signed in with both factors."""

    def __init__(self, row: Session) -> None:
        super().__init__()
        self.row = row
        self._session_cache = dict(row.data)

    def load(self) -> dict[str, Any]:
        return dict(self.row.data)

    def exists(self, session_key: str) -> bool:
        return session_key == str(self.row.pk)

    def save(self, must_create: bool = False) -> None:  # noqa: ARG002
        self.row.data = dict(self._session_cache)
        if not _live().filter(id=self.row.pk).update(data=self.row.data):
            raise UpdateError

    def delete(self, session_key: str | None = None) -> None:  # noqa: ARG002
        _live().filter(id=self.row.pk).update(ended_at=timezone.now(), end_reason=Session.End.SIGNED_OUT)


def _live() -> QuerySet[Session]:
    return Session.objects.filter(ended_at=None)


def ends_by_itself(row: Session, policy: SecurityPolicy) -> tuple[datetime, Session.End]:
    """When, unless it is used, and why. The policy may have become stricter since the session began."""
    idle = row.last_seen_at + policy.idle
    longest = min(row.expires_at, row.created_at + policy.session)
    return (idle, Session.End.IDLE) if idle < longest else (longest, Session.End.ABSOLUTE)


def _limits() -> Subquery:
    """The tenant's limits in the query of the session, so that a request has no query more."""
    limits = JSONObject(idle_minutes="idle_minutes", session_minutes="session_minutes")
    return Subquery(SecurityPolicy.objects.values(limits=limits)[:1], output_field=JSONField())


def live_session(cookie: SessionCookie, *, attended: bool = True) -> Session | None:
    """The row of this cookie, if it is neither ended nor too old; in the open transaction.

    `attended`: somebody did something. A page that asks for news by itself does not keep a session alive.
    """
    now = timezone.now()
    rows = _live().filter(principal_id=cookie.principal_id, key_hash=cookie.key_hash())
    row = rows.annotate(limits=_limits()).first()
    if row is None or ends_by_itself(row, SecurityPolicy(**(row.limits or {})))[0] <= now:
        return None
    if attended and row.last_seen_at + timedelta(seconds=TOUCH_SECONDS) <= now:
        _live().filter(id=row.pk).update(last_seen_at=now)
    return row
