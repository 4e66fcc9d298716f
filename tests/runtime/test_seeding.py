"""The demo is whole after a start that got through, whatever happened to the starts before it."""

import base64
import contextlib
import dataclasses
import io
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from identity.services import provision_tenant
from msplex.demo import Draft
from msplex.runtime.console import Console
from msplex.runtime.home import ROOT, Home
from msplex.runtime.processes import wait_until
from msplex.runtime.programs import MANAGE, Installation
from msplex.runtime.smoke.signing_in import portal_sign_in
from msplex.runtime.supervisor import Supervisor, free_ports, seed_demo
from msplex.runtime.world import World
from tenants.errors import Conflict
from tenants.process import Process

pytestmark = pytest.mark.slow
WORKSPACES = ["northwind", "fabrikam", "tailspin"]


@dataclasses.dataclass
class Place:
    """An installation of which the servers and the stub vendor run, and the rest when a test starts it."""

    supervisor: Supervisor
    installation: Installation
    log: io.StringIO

    def start(self, *names: str) -> None:
        self.supervisor.start_programs([each for each in self.installation.programs() if each.name in names])

    def seed(self) -> dict[str, Any]:
        """As `make run` does it."""
        seed_demo(self.supervisor, self.installation)
        return json.loads(self.installation.credentials.read_text())

    def seeding(self, *, patience: float = 30) -> subprocess.Popen[bytes]:
        files = ["--credentials-file", str(self.installation.credentials), "--vendor-url", self.installation.vendor_url]
        command = [*MANAGE, "seed_demo", *files, "--patience", str(patience)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.installation.command_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def kill_when(self, reached: Callable[[], bool]) -> None:
        process = self.seeding()
        assert wait_until(reached, 120, pause=0.002), "that point was never reached"
        assert process.poll() is None, "it was over before"
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def draft(self) -> dict[str, Any]:
        path = self.installation.credentials.with_suffix(".draft")
        return json.loads(path.read_text()) if path.exists() else {}

    def count(self, table: str) -> int:
        """As the administrator of the server, who sees every tenant."""
        with psycopg.connect(self.installation.admin_url, dbname=self.installation.database) as server:
            return server.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index, arg-type]


def publish_keys(installation: Installation) -> None:
    """What the broker does first when it starts, without starting it."""
    said = "import datetime, django; django.setup(); from connectors.upkeep import ensure_keys;"
    said += "ensure_keys(datetime.datetime.now(datetime.UTC))"
    subprocess.run([sys.executable, "-c", said], cwd=ROOT, env=installation.environment(Process.BROKER), check=True)


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    log = io.StringIO()
    supervisor = Supervisor(home, Console(log), {}, free_ports(), throwaway=True)
    try:
        installation = supervisor.prepare()
        place = Place(supervisor, installation, log)
        place.start("vendor")
        publish_keys(installation)
        yield place
    finally:
        supervisor.stop()


def assert_whole(place: Place, demo: dict[str, Any]) -> None:
    """Every tenant once, every owner gets in with what the file says, every service account gets a token."""
    place.start("portal")
    assert [tenant["workspace"] for tenant in demo["tenants"]] == WORKSPACES
    assert (place.count("provider.tenant"), place.count("content.tenants_tenant")) == (3, 3)
    assert place.count("content.identity_user") == sum(len(tenant["people"]) for tenant in demo["tenants"])
    assert place.count("content.connectors_connectorinstance WHERE state = 'active'") == 2
    assert place.count("content.connectors_customermapping") == 6
    for tenant in demo["tenants"]:
        portal_sign_in(World(place.installation, place.supervisor, {"tenants": [tenant]}))
        for account in tenant["service_accounts"]:
            assert token_for(place, account)


def token_for(place: Place, account: dict[str, str]) -> str:
    basic = base64.b64encode(f"{account['client_id']}:{account['client_secret']}".encode()).decode()
    address = f"{place.installation.public_url}/oauth/token"
    request = urllib.request.Request(address, b"grant_type=client_credentials", {"Authorization": f"Basic {basic}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["access_token"]


def test_a_start_that_was_interrupted_is_taken_up_by_the_next(place: Place) -> None:
    """Killed before the first tenant, in it, and when it is made; given up and killed while no broker answers."""
    place.kill_when(lambda: bool(place.draft()))
    place.kill_when(lambda: place.count("content.identity_user") == 1)
    place.kill_when(lambda: "northwind" in place.draft()["tenants"])
    given_up = place.seeding(patience=1)
    _, said = given_up.communicate(timeout=240)
    place.kill_when(lambda: place.count("content.connectors_connectorinstance") == 2)
    assert not place.installation.credentials.exists()

    place.start("sealer")
    place.start("broker")
    demo = place.seed()

    assert given_up.returncode == 1
    assert b"The demo is not complete" in said
    assert b"The next start goes on from here." in said
    assert_whole(place, demo)
    assert place.draft() == {}
    assert place.seed() == demo


def test_what_has_the_name_of_a_demo_tenant_is_left_alone(
    scratch_database: Callable[[str], contextlib.AbstractContextManager[None]], tmp_path: Path
) -> None:
    draft = tmp_path / "demo.draft"

    with scratch_database("app"):
        provision_tenant(name="Fabrikam", workspace="fabrikam", owner_email="ann@fabrikam.example")
        for _ in range(2):
            with pytest.raises(Conflict, match="There are tenants named fabrikam that are not the demo's"):
                Draft.at(draft)

    assert not draft.exists()
