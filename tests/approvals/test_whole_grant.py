"""From the form to the record of the call, with nothing but processes as they are deployed: portal, broker, host."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
from django.conf import settings

from identity.roles import Role
from tests.approvals.holding import NOTE, TOOL, WAIT, Host, portal_process
from tests.identity.factories import Person, make_member
from tests.processes import ROOT, environment

TOKEN = "t" * 32


@pytest.fixture(scope="module")
def portal(_database: None) -> Iterator[str]:
    with portal_process() as (url, _):
        yield url


@pytest.fixture
def celery_broker(_database: None) -> Iterator[None]:
    """The broker's tasks, without its calls."""
    env = environment(
        "broker", "broker", "MSPLEX_BROKER_SIGNING_KEY", "MSPLEX_BROKER_ROOT_KEY", "MSPLEX_BROKER_KEYRING"
    )
    command = [sys.executable, "-m", "celery", "-A", "msplex.celery:app", "--quiet", "worker", "-Q", "broker"]
    process = subprocess.Popen([*command, "-c", "1", "--without-mingle", "--without-gossip"], cwd=ROOT, env=env)
    yield
    process.terminate()
    process.wait(WAIT)


class Desk:
    """A person in their browser, over the API of the portal's process."""

    def __init__(self, portal: str, person: Person) -> None:
        cookies = {settings.SESSION_COOKIE_NAME: person.browser().cookies[settings.SESSION_COOKIE_NAME].value}
        jar = SimpleCookie(cookies | {settings.CSRF_COOKIE_NAME: TOKEN})
        self.cookie = "; ".join(each.OutputString() for each in jar.values())
        self.portal, self.person = portal, person

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        given = {"Cookie": self.cookie, "X-CSRFToken": TOKEN} | headers
        answer = httpx2.post(f"{self.portal}/api/v1/{path}", json=body, headers=given, trust_env=False, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = httpx2.get(
            f"{self.portal}/api/v1/{path}", headers={"Cookie": self.cookie}, trust_env=False, timeout=60
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def wait_until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_from_the_form_to_the_record_of_the_call(connected, portal: str, celery_broker: None, tmp_path) -> None:
    world = connected.tenant
    alice, bob = (Desk(portal, make_member(world, Role.ADMIN, name=name)) for name in ("alice", "bob"))
    customer = str(world.customers[0].pk)

    added = alice.post("host-agents/", {"customer": customer, "name": "SRV-DC01"})
    host = Host(tmp_path, portal)
    assert "enrolled" in host.enrol(added["code"])
    asked = alice.post(
        "pre-issued-grants/",
        {
            "agent": added["host_agent"]["id"], "tool": TOOL, "arguments": NOTE, "critical_alert": True,
            "not_after": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "reason": "Nights",
        },
        **{"X-TOTP-Code": alice.person.code()},
    )  # fmt: skip
    vote = {"code": bob.person.code(), "digest": asked["digest"]}
    assert bob.post(f"approval-requests/{asked['id']}/approve/", vote)["state"] == "approved"

    [grant] = wait_until(lambda: alice.get("pre-issued-grants/")["results"])
    running = host.start()
    running.says(f"held {grant['id']}")
    host.alert.touch()
    running.says("succeeded", "reported")
    running.stop()

    def look() -> Any:
        return alice.get(f"pre-issued-grants/{grant['id']}/")

    # Looked at once more: the answer that is the first to have it may have read the grant before, and its use after.
    wait_until(lambda: [use for use in look()["fired"] if use["state"] == "settled"])
    now = look()
    assert (now["state"], now["used"], now["fired"][0]["finding"]) == ("used", 1, "")
    call = alice.get(f"tool-calls/{now['fired'][0]['call']}/")
    assert (call["state"], call["tool"], call["arguments"]) == ("succeeded", "add_note", NOTE)
    assert host.fired() == 1
