"""Who acts, as values: what a request carries once its credential has been checked."""

import dataclasses
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from audit.actors import Actor, ActorKind
from identity.networks import is_within
from identity.permissions import Permission
from identity.roles import ROLES, Role


class PrincipalKind(StrEnum):
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    AGENT_SESSION = "agent_session"  # an MCP client that acts for a person; it has no account of its own


ACCOUNT_KINDS = (PrincipalKind.USER, PrincipalKind.SERVICE_ACCOUNT)
_ACTOR_KINDS = {
    PrincipalKind.USER: ActorKind.USER,
    PrincipalKind.SERVICE_ACCOUNT: ActorKind.SERVICE_ACCOUNT,
    PrincipalKind.AGENT_SESSION: ActorKind.AGENT,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """A role, tenant-wide (customer_id None) or for one customer."""

    role: Role
    customer_id: UUID | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        return ROLES[self.role].carries(customer_scoped=self.customer_id is not None)


@dataclasses.dataclass(frozen=True, slots=True)
class ActingPrincipal:
    """`id` is the account's: of an agent session, the person's for whom it acts.

    `scopes`, where there are any, are all that the credential was given of what the roles allow.
    `person` is what that person is called, where `label` is the agent's.
    """

    id: UUID
    kind: PrincipalKind
    label: str
    tenant_id: UUID
    epoch: int
    grants: tuple[Grant, ...] = ()
    mfa_at: datetime | None = None
    session_id: UUID | None = None
    agent_session_id: UUID | None = None
    scopes: frozenset[Permission] | None = None
    networks: str = ""
    person: str = ""
    tenant_active: bool = True  # False: the provider has suspended the tenant, and there are no grants

    is_authenticated = True  # what Django and DRF ask of a user
    is_anonymous = False

    def allows(self, permission: Permission, customer_id: UUID | None = None) -> bool:
        """For that customer. Without one: for the whole tenant, or for some customer where that can be."""
        return self._in_scope(permission) and any(
            permission in grant.permissions
            and (grant.customer_id is None or customer_id is None or grant.customer_id == customer_id)
            for grant in self.grants
        )

    def allows_everywhere(self, permission: Permission) -> bool:
        held = any(grant.customer_id is None and permission in grant.permissions for grant in self.grants)
        return held and self._in_scope(permission)

    def _in_scope(self, permission: Permission) -> bool:
        return self.scopes is None or permission in self.scopes

    def admits(self, address: str) -> bool:
        """Whether it may act from there."""
        return not self.networks or is_within(address, self.networks)

    def permissions(self) -> frozenset[Permission]:
        """Everything that is allowed somewhere."""
        held = (permission for grant in self.grants for permission in grant.permissions)
        return frozenset(permission for permission in held if self._in_scope(permission))

    def with_every_scope(self) -> "ActingPrincipal":
        """What the roles allow, whatever the credential was given of it."""
        return dataclasses.replace(self, scopes=None)

    def covers(self, grant: Grant) -> bool:
        """Could this principal do everything that the grant would allow?"""
        if grant.customer_id is None:
            return all(self.allows_everywhere(permission) for permission in grant.permissions)
        return all(self.allows(permission, grant.customer_id) for permission in grant.permissions)

    def scope(self) -> tuple[UUID, ...] | None:
        """The customers in reach; None: every one of the tenant."""
        if any(grant.customer_id is None for grant in self.grants):
            return None
        return self.bound_customers()

    def reaches(self, customer_id: UUID) -> bool:
        """Whether it is in scope."""
        return any(grant.customer_id is None or grant.customer_id == customer_id for grant in self.grants)

    def bound_customers(self) -> tuple[UUID, ...]:
        """Those that a role is for by name."""
        return tuple(sorted({grant.customer_id for grant in self.grants if grant.customer_id}))

    def limited_to(self, customers: tuple[UUID, ...] | None) -> "ActingPrincipal":
        """The same principal through a credential that was issued for some customers only."""
        if customers is None:
            return self
        among = frozenset(customers)
        grants = [grant for grant in self.grants if grant.customer_id in among]
        everywhere = [grant.role for grant in self.grants if grant.customer_id is None]
        grants += [Grant(role, customer) for role in everywhere for customer in customers]
        return dataclasses.replace(self, grants=tuple(grants))

    def actor(self, address: str = "", request_id: str = "") -> Actor:
        agent = self.agent_session_id
        return Actor(
            kind=_ACTOR_KINDS[self.kind],
            id=agent or self.id,
            label=self.label,
            address=address,
            request_id=request_id,
            on_behalf_of=Actor(ActorKind.USER, self.id, self.person) if agent else None,
        )
