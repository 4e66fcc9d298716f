"""Whom something is for, as of now. In the worker, which sees the whole tenant."""

from uuid import UUID

from approvals.models import ApprovalRequest
from approvals.notifications.declared import Who
from approvals.quorum import decides
from audit.actors import ActorKind
from identity.models import Principal
from identity.permissions import Permission
from identity.principals import PrincipalKind
from identity.roles import ROLES, Role
from identity.selectors import active_bindings, known_principals

_DECIDING = [role for role, each in ROLES.items() if Permission.APPROVALS_REQUEST_DECIDE in each.permissions]
_ADMINS = [Role.OWNER, Role.ADMIN]


def people_for(who: Who, request: ApprovalRequest | None = None) -> list[UUID]:
    if who is Who.ADMINS or request is None:
        return admins()
    return approvers(request) if who is Who.APPROVERS else concerned(request)


def admins() -> list[UUID]:
    """Owners and admins of the whole tenant whose account is open."""
    wide = active_bindings().filter(role__in=_ADMINS, customer=None).values("principal_id")
    people = Principal.objects.filter(id__in=wide, kind=PrincipalKind.USER, disabled_at=None)
    return list(people.order_by("id").values_list("id", flat=True))


def approvers(request: ApprovalRequest) -> list[UUID]:
    """Who may decide, as the vote itself will be judged; never who asked, nor the person behind them."""
    bound = active_bindings().filter(role__in=_DECIDING).values_list("principal_id", flat=True)
    own = {request.requester_id, request.answerable_id}
    people = known_principals(set(bound) - own)
    return sorted(each.id for each in people.values() if decides(each, request.customer_id))


def concerned(request: ApprovalRequest) -> list[UUID]:
    found = known_principals([request.answerable_id]).get(request.answerable_id)
    return [found.id] if found and found.actor().kind is ActorKind.USER else []
