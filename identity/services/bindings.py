"""Who has which role: bound and unbound, with the projection that django-guardian reads."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import LastOwner
from identity.models import Principal, RoleBinding
from identity.permissions import Permission
from identity.principals import Grant, PrincipalKind
from identity.roles import ROLES, Role
from identity.selectors import active_bindings
from identity.services.authority import authorise, authorise_grant, lock_principal, refuse_own, whole_tenant
from identity.services.moments import spoken
from identity.services.notices import tell_person
from identity.services.projection import project
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Invalid, NotFound
from tenants.models import Customer

_MANAGE = {
    PrincipalKind.USER: Permission.IDENTITY_MEMBER_MANAGE,
    PrincipalKind.SERVICE_ACCOUNT: Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
}


def manage_permission(principal: Principal) -> Permission:
    return _MANAGE[PrincipalKind(principal.kind)]


def check_grant(role: Role, customer: Customer | None) -> Grant:
    """Invalid unless the role may be bound there."""
    definition = ROLES[role]
    if definition.customer_scoped and customer is None:
        raise Invalid(f"{definition.label} is always for one customer.", field="customer", code="customer_needed")
    if definition.tenant_wide_only and customer is not None:
        raise Invalid(f"{definition.label} is for the whole tenant.", field="customer", code="customer_not_possible")
    if customer is not None and customer.status != Customer.Status.ACTIVE:
        raise Invalid("This customer is archived.", field="customer", code="customer_archived")
    return Grant(role, customer.pk if customer else None)


def check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("Choose a time that is still to come.", field="expires_at", code="expiry_in_past")


def add_binding(
    principal: Principal,
    role: Role,
    customer: Customer | None,
    *,
    by: Actor,
    reason: str = "",
    expires_at: datetime | None = None,
) -> RoleBinding:
    """The row and its record, without asking whether `by` may: bind_role and the creating services have asked."""
    binding = RoleBinding.objects.create(
        principal=principal,
        role=role.value,
        customer=customer,
        reason=reason,
        expires_at=expires_at,
        created_by=by.label,
    )
    record(
        EventKind.ROLE_BOUND,
        actor=by,
        subject=("principal", principal.pk, principal.label),
        customer_id=customer.pk if customer else None,
        body={"role": role.value, "reason": reason, "expires_at": expires_at.isoformat() if expires_at else None},
    )
    return binding


@transaction.atomic
def bind_role(
    principal: Principal,
    *,
    role: Role,
    customer: Customer | None = None,
    by: Actor,
    reason: str = "",
    expires_at: datetime | None = None,
) -> RoleBinding:
    grant = check_grant(role, customer)
    check_expiry(expires_at)
    principal = lock_principal(principal.pk)
    authorise(by, manage_permission(principal), grant.customer_id)
    authorise_grant(by, grant)
    refuse_own(principal.pk, by)
    with conflict_if_taken("This role is already given.", code="already_bound"):
        binding = add_binding(principal, role, customer, by=by, reason=reason, expires_at=expires_at)
    project(principal.pk)
    until = spoken(expires_at) if expires_at else ""
    tell_person(principal, "role_given", by, **_words(role, customer), until=until, reason=" ".join(reason.split()))
    return binding


@transaction.atomic
def unbind_role(binding: RoleBinding, *, by: Actor) -> None:
    principal = lock_principal(binding.principal_id)
    authorise(by, manage_permission(principal), binding.customer_id)
    authorise_grant(by, Grant(Role(binding.role), binding.customer_id))
    refuse_own(principal.pk, by)
    if binding.role == Role.OWNER:
        keep_an_owner(principal)
    if RoleBinding.objects.filter(id=binding.pk).delete()[0] != 1:  # gone meanwhile, or out of sight
        raise NotFound
    project(principal.pk)
    record(
        EventKind.ROLE_UNBOUND,
        actor=by,
        subject=("principal", principal.pk, principal.label),
        customer_id=binding.customer_id,
        body={"role": binding.role},
    )
    tell_person(principal, "role_taken", by, **_words(Role(binding.role), binding.customer))


def _words(role: Role, customer: Customer | None) -> dict[str, str]:
    return {"role": ROLES[role].label, "reach": f"for {customer.name}" if customer else "for the whole tenant"}


def keep_an_owner(leaving: Principal) -> None:
    """LastOwner unless another active owner stays. The bindings' lock makes two who leave at once go one by one."""
    with whole_tenant():
        owners = active_bindings().filter(role=Role.OWNER.value, expires_at=None).order_by("id").select_for_update()
        ids = {owner.principal_id for owner in owners}
        staying = Principal.objects.filter(id__in=ids - {leaving.pk}, kind=PrincipalKind.USER.value, disabled_at=None)
        if leaving.pk in ids and not staying.exists():
            raise LastOwner
