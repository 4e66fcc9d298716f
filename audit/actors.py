"""Who acted, by value: the record outlives the user, and agents and schedulers act too. And in which call."""

import dataclasses
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    AGENT = "agent"
    PROVIDER = "provider"
    SERVICE_ACCOUNT = "service_account"
    SYSTEM = "system"
    USER = "user"


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """`label` is what people call the actor; `address` and `request_id` are where and by which request it acted.

    `on_behalf_of` is the second actor: the person whom an agent acts for.
    """

    kind: ActorKind
    id: UUID | None
    label: str
    address: str = ""
    request_id: str = ""
    on_behalf_of: "Actor | None" = None


def system(label: str) -> Actor:
    return Actor(ActorKind.SYSTEM, None, label)


@dataclasses.dataclass(frozen=True, slots=True)
class CallRef:
    """The tool call, or the vendor connection without one, that an event is about. Stays when a body is erased."""

    id: UUID | None
    instance_id: UUID | None
    tool: str = ""
