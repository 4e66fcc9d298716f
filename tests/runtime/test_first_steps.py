"""What the terminal says after the first start is what README's first five minutes do."""

import re
import shlex

from django.conf import settings

from msplex.management.commands.seed_demo import agent_lines
from msplex.runtime.home import ROOT


def account(name: str, *customers: str) -> dict[str, object]:
    return {"name": name, "client_id": f"id-{name}", "client_secret": f"secret-{name}", "customers": list(customers)}


def test_the_agent_that_is_shown_is_for_one_customer_wherever_it_stands_among_the_others() -> None:
    one = account("Riverside", "riverside")
    for others in ([account("Dispatch"), one, account("Auditor")], [one, account("Both", "a", "b")]):
        said = agent_lines({"tenants": [{"service_accounts": others}]})

        assert "Riverside" in said[0]
        assert "id-Riverside:secret-Riverside" in said[1]


def test_the_lines_that_readme_speaks_of_are_there() -> None:
    said = agent_lines({"tenants": [{"service_accounts": [account("Riverside", "riverside")]}]})
    readme = (ROOT / "README.md").read_text()

    assert [line for line in said if line.strip().startswith("TOKEN=")]
    [call] = [line for line in said if "try_it" in line]
    assert shlex.split(call)[1:] == ["-m", "msplex.gateway.try_it", settings.GATEWAY_RESOURCE, "$TOKEN"]
    assert re.search(r"`TOKEN=\.\.\.` line", readme)
    assert "`try_it`" in readme
