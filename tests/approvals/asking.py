"""Calls that wait for people, and the people."""

from typing import Any
from uuid import UUID

from django.db import connection

from approvals.models import ApprovalRequest
from approvals.policy import Effect, Rule, Ruling
from approvals.services import request_approval
from approvals.voting import approve_with_code
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from identity.models import RoleBinding, Session, TotpDevice
from identity.roles import Role
from identity.sealing import seal_seed
from identity.selectors import acting_principal
from identity.services import begin_registration, register_passkey
from tenants.ids import uuid7
from tests.factories import TenantWorld
from tests.identity.authenticator import Authenticator
from tests.identity.factories import Machine, Person, acting_as, make_machine

DELETE, UPDATE = "delete_ticket", "update_ticket"


class Desk:
    """A tenant with a connection and an agent whose calls need `need` people."""

    def __init__(self, world: TenantWorld, need: int = 2, factors: tuple[str, ...] = ()) -> None:
        self.world = world
        self.machine: Machine = make_machine(world)
        self.said = Ruling(Effect.APPROVAL, need, Rule(uuid7(), 1, "tests", Effect.APPROVAL, need, factors=factors))
        with world.acting():
            self.instance = ConnectorInstance.objects.create(
                connector="halopsa", slug="halopsa", name="HaloPSA", state="active"
            )
            CustomerMapping.objects.create(instance=self.instance, customer=world.customers[0], external_id="11")

    @property
    def owner(self) -> UUID:
        """Who answers for the agent."""
        return self.machine.account.owner_id

    def held(self, **given: Any) -> ToolCall:
        """A call that was stopped at the approval gate."""
        values = {
            "tenant_id": self.world.id, "principal_id": self.machine.id, "principal_kind": "service_account",
            "principal_label": "agent", "customer": self.world.customers[0], "instance": self.instance,
            "connector": "halopsa", "tool": UPDATE, "arguments": {"ticket_id": 1}, "state": ToolCall.State.REFUSED,
        }  # fmt: skip
        return ToolCall(**values | given)

    def asked(self, **given: Any) -> ApprovalRequest:
        told = {name: given.pop(name, "") for name in ("reason", "ticket")}
        with self.world.acting():
            return request_approval(self.held(**given), self.said, **told)

    def now(self, request: ApprovalRequest) -> ApprovalRequest:
        with self.world.acting():
            return ApprovalRequest.objects.get(id=request.pk)


def approve(person: Person, request: ApprovalRequest, **given: Any) -> bool:
    """In the person's own transaction, with what their app shows now."""
    try:
        with acting_as(person):
            principal = acting_principal(person.id)
            values = {"code": person.code(), "digest": request.digest, "by": person.actor} | given
            return approve_with_code(request, principal=principal, **values)
    finally:
        connection.close()


def demote(person: Person) -> None:
    with person.world.acting():
        RoleBinding.objects.filter(principal=person.id).update(role=Role.VIEWER.value)


def share_app(one: Person, other: Person) -> None:
    """Both accounts have one authenticator: the same secret, sealed for each."""
    with one.world.acting():
        sealed = seal_seed(one.seed, tenant=one.world.id, user=other.id)
        TotpDevice.objects.filter(user=other.user).update(sealed_seed=sealed)
    other.seed = one.seed


def passkey_of(person: Person) -> tuple[Authenticator, UUID]:
    """A passkey of the person, and the session in which it is used."""
    person.browser()
    device = Authenticator()
    with acting_as(person):
        session = Session.objects.filter(principal_id=person.id).latest("id").pk
        begun = begin_registration(person.user, session_id=session)
        register_passkey(
            person.user, name="Key", state=begun.state, answer=device.make(begun.options), session_id=session,
            by=person.actor,
        )  # fmt: skip
    return device, session
