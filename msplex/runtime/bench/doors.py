"""What a page costs, against the vendor's stand-in, which does next to nothing, on the same machine."""

from typing import Any

from msplex.runtime.bench.measure import CLIENTS, against, get, measure
from msplex.runtime.world import World


def sign_in_page(world: World) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for clients in CLIENTS:
        baseline = measure(get(world.vendor + "/_stub/requests"), clients=clients)
        page = measure(get(world.portal + "/sign-in/"), clients=clients)
        figures[f"{clients}_clients"] = {"page": against(page, baseline), "baseline": baseline}
    return figures
