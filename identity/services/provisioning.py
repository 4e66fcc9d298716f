"""A new tenant with its first owner: registered by the provider, filled in its own context."""

import dataclasses
import logging
import secrets
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.models import User
from identity.roles import Role
from identity.services.factors import Enrolment, enrol_totp
from identity.services.members import check_password, create_member, normal_email
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.models import Subscription, Tenant, key_validator
from tenants.provisioning import register_tenant, withdraw_tenant

logger = logging.getLogger(__name__)
PASSWORD_BYTES = 15
LONGEST_NAME = 200
_PROVIDER = Actor(ActorKind.PROVIDER, None, "provider")


@dataclasses.dataclass(frozen=True, slots=True)
class Provisioned:
    tenant: Tenant
    owner: User
    password: str
    enrolment: Enrolment


@dataclasses.dataclass(frozen=True, slots=True)
class _Order:
    name: str
    workspace: str
    owner_email: str
    owner_name: str
    password: str
    plan: str


def provision_tenant(
    *, name: str, workspace: str, owner_email: str, owner_name: str = "", password: str = "", plan: str = "trial"
) -> Provisioned:
    """The tenant and its owner, whose password is made here unless one is given. Nothing else holds it.

    Two databases may be involved, so there are two transactions: whatever fails in the second takes the first back,
    and what a killed process could not take back is given to whoever asks for the name next.
    """
    order = _Order(
        name=_normal_name(name, "name"),
        workspace=_normal_workspace(workspace),
        owner_email=normal_email(owner_email),
        owner_name=_normal_name(owner_name or owner_email, "owner_name"),
        password=password or secrets.token_urlsafe(PASSWORD_BYTES),
        plan=plan,
    )
    check_password(order.password, User(email=order.owner_email, name=order.owner_name))
    tenant_id = register_tenant(name=order.name, workspace=order.workspace)
    try:
        return _open(tenant_id, order)
    except BaseException:
        _take_back(tenant_id)
        raise


def _normal_name(name: str, field: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(f"Give a name of at most {LONGEST_NAME} characters.", field=field, code="name_invalid")
    return name


def _normal_workspace(workspace: str) -> str:
    workspace = workspace.strip().lower()
    try:
        key_validator(workspace)
    except ValidationError as error:
        raise Invalid(error.messages[0], field="workspace", code="workspace_invalid") from error
    return workspace


def _open(tenant_id: UUID, order: _Order) -> Provisioned:
    with acting_for(Context(tenant_id)), transaction.atomic():
        tenant = _own_row(order)
        Subscription.objects.create(plan=order.plan, status=Subscription.Status.ACTIVE)
        record(
            EventKind.TENANT_CREATED,
            actor=_PROVIDER,
            subject=("tenant", tenant_id, order.name),
            body={"workspace": order.workspace},
        )
        owner = create_member(
            email=order.owner_email, name=order.owner_name, role=Role.OWNER, password=order.password, by=_PROVIDER
        )
        return Provisioned(tenant, owner, order.password, enrol_totp(owner))


def _own_row(order: _Order) -> Tenant:
    try:
        return Tenant.objects.create(name=order.name, workspace=order.workspace)
    except IntegrityError as error:  # the registration is gone: somebody else asked for the name since
        message = f"Somebody else has just taken the workspace name {order.workspace}. Choose another."
        raise Conflict(message, code="workspace_taken") from error


def _take_back(tenant_id: UUID) -> None:
    try:
        withdraw_tenant(tenant_id)
    except DatabaseError:  # what failed before is what the caller must see; the next attempt takes it back
        logger.exception("tenant %s stays registered and not opened", tenant_id)
