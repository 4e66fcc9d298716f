"""Who acted, by value: the record outlives the user, and agents and schedulers act too."""

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
    """`label` is what people call the actor; `address` and `request_id` are where and by which request it acted."""

    kind: ActorKind
    id: UUID | None
    label: str
    address: str = ""
    request_id: str = ""


def system(label: str) -> Actor:
    return Actor(ActorKind.SYSTEM, None, label)
