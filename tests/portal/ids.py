"""An id for every parameter of every address: where a route of a new kind appears, this is what has to learn it."""

from collections.abc import Callable
from uuid import UUID

from connectors.models import CustomerMapping
from identity.models import AgentSession, RoleBinding
from tests.portal.factories import Furnished
from tests.routes import Route, routes

Find = Callable[[Furnished], UUID]
# Their parameter is a key of the catalogue, which is code and the same for all.
CATALOGUE = {"portal:connector_start", "api:connector-detail"}


def binding_of(principal: Callable[[Furnished], UUID]) -> Find:
    def find(it: Furnished) -> UUID:
        with it.world.acting():
            return RoleBinding.objects.get(principal=principal(it)).pk

    return find


def mapping_of(it: Furnished) -> UUID:
    with it.world.acting():
        return CustomerMapping.objects.get(instance=it.instance).pk


def customer_of(it: Furnished) -> UUID:
    return it.world.customers[0].pk


def owner_of(it: Furnished) -> UUID:
    return it.owner.id


def machine_of(it: Furnished) -> UUID:
    return it.machine.id


def instance_of(it: Furnished) -> UUID:
    return it.instance.pk


def agent_of(it: Furnished) -> UUID:
    with it.world.acting():
        return AgentSession.objects.earliest("id").pk


# (the noun that an address is about, its parameter) -> an id of such an object
IDS: dict[tuple[str, str], Find] = {
    ("agent", "pk"): agent_of,
    ("call", "pk"): lambda it: it.call.pk,
    ("connector", "pk"): instance_of,
    ("connector", "mapping"): mapping_of,
    ("customer", "pk"): customer_of,
    ("person", "pk"): owner_of,
    ("person", "binding"): binding_of(owner_of),
    ("service_account", "pk"): machine_of,
    ("service_account", "binding"): binding_of(machine_of),
}
NOUNS = {"tool_call": "call", "connector_instance": "connector", "member": "person"}  # of the API, where they differ


def noun(route: Route) -> str:
    name = route.name.partition(":")[2].replace("-", "_")
    known = sorted({*NOUNS, *(noun for noun, _ in IDS)}, key=len, reverse=True)
    found = next((each for each in known if name == each or name.startswith(f"{each}_")), None)
    assert found is not None, f"{route.name} is about something that IDS does not know"
    return NOUNS.get(found, found)


def with_ids(namespace: str) -> list[Route]:
    found = [route for route in routes(namespace) if route.parameters and route.name not in CATALOGUE]
    assert len(found) > 10
    return found


def of(it: Furnished, route: Route) -> dict[str, UUID]:
    return {parameter: IDS[noun(route), parameter](it) for parameter in route.parameters}
