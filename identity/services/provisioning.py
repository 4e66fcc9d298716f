"""A new tenant with its first owner: registered by the provider, filled in its own context."""

import dataclasses
import secrets

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.models import User
from identity.roles import Role
from identity.services.factors import Enrolment, enrol_totp
from identity.services.members import create_member, normal_email
from tenants.errors import Invalid
from tenants.isolation.context import Context, acting_for
from tenants.models import Subscription, Tenant, key_validator
from tenants.provisioning import register_tenant

PASSWORD_BYTES = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Provisioned:
    tenant: Tenant
    owner: User
    password: str
    enrolment: Enrolment


def provision_tenant(
    *, name: str, workspace: str, owner_email: str, owner_name: str = "", password: str = "", plan: str = "trial"
) -> Provisioned:
    """The tenant and its owner, whose password is made here unless one is given. Nothing else holds it."""
    workspace = workspace.strip().lower()
    try:
        key_validator(workspace)
    except ValidationError as error:
        raise Invalid(error.messages[0], field="workspace", code="workspace_invalid") from error
    normal_email(owner_email)
    password = password or secrets.token_urlsafe(PASSWORD_BYTES)
    tenant_id = register_tenant(name=name, workspace=workspace)
    actor = Actor(ActorKind.PROVIDER, None, "provider")
    with acting_for(Context(tenant_id)), transaction.atomic():
        tenant = Tenant.objects.create(name=name, workspace=workspace)
        Subscription.objects.create(plan=plan, status=Subscription.Status.ACTIVE)
        record(
            EventKind.TENANT_CREATED, actor=actor, subject=("tenant", tenant_id, name), body={"workspace": workspace}
        )
        owner = create_member(email=owner_email, name=owner_name, role=Role.OWNER, password=password, by=actor)
        return Provisioned(tenant, owner, password, enrol_totp(owner))
