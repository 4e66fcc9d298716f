"""A call of an imported tool, as the broker makes it: with the tool that the snapshot has, for one customer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from connectors.errors import ExecutionError
from connectors.execution import ExecutionResult, Job, execute
from connectors.stub.world import CLIENTS, marker
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.imported.factories import offered


@dataclass(frozen=True)
class Runs:
    """`usual`: the arguments of each tool, where a test gives none."""

    usual: Mapping[str, dict[str, Any]]

    def __call__(
        self, world: ConnectedWorld, name: str, arguments: dict[str, Any] | None = None, customer: int = 0
    ) -> ExecutionResult:
        with as_role("app"):
            call = world.call(name, self.usual[name] if arguments is None else arguments, customer=customer)
        tool = offered(world)[name]
        with acting_for(Context(world.tenant.id, (world.tenant.customers[customer].id,))):
            return execute(Job(call, world.instance, world.mappings[customer], tool))

    def refused(self, world: ConnectedWorld, name: str, arguments: dict[str, Any] | None = None) -> ExecutionError:
        with pytest.raises(ExecutionError) as caught:
            self(world, name, arguments)
        return caught.value


def foreign_marks(value: Any) -> list[str]:
    """What of other clients than the first is in it."""
    return [mark for other in CLIENTS if other != 11 and (mark := marker(other)) in json.dumps(value)]
