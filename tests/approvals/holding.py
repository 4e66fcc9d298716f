"""A tenant whose people agree to a grant, the broker that signs it, and the host agent that holds it."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from approvals.agent import msplex_agent
from approvals.held.agents import add_agent
from approvals.held.issuing import issue
from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.held.settling import settle
from approvals.held.terms import Terms
from approvals.models import ApprovalRequest
from approvals.policy import Effect, Ruling
from approvals.services import request_approval
from connectors.models import ToolCall
from identity.roles import Role
from msplex.guard import KEYS
from tenants.isolation.context import Context, acting_for
from tenants.process import Process
from tests.approvals.asking import approve
from tests.conftest import as_role, stack_redis
from tests.connectors.factories import ConnectedWorld
from tests.identity.factories import Person, make_member
from tests.processes import ROOT, environment, free_port, wait_for

NOTE = {"ticket_id": 11003, "note": "Restarted the print spooler"}
TOOL = "halopsa_add_note"
MINUTES, WAIT = 5, 120
DRIVER = Path(__file__).with_name("agent_driver.py")


class Held:
    """Alice asks, bob and carl agree, and the broker issues."""

    def __init__(self, world: ConnectedWorld, need: int = 2) -> None:
        self.world, self.customer = world, world.tenant.customers[0]
        with as_role("app"):
            self.alice = make_member(world.tenant, Role.ADMIN, name="alice")
            self.people: list[Person] = [make_member(world.tenant, Role.ADMIN, name=f"p{each}") for each in range(need)]
            with world.tenant.acting():
                self.agent, self.code = add_agent(self.customer, name="SRV-DC01", by=self.alice.actor)

    def terms(self, **given: Any) -> Terms:
        now = datetime.now(UTC)
        with as_role("app"), self.world.tenant.acting():
            agent = HostAgent.objects.select_related("asset").get(id=self.agent.pk)
        values = {
            "agent": agent, "not_before": now - timedelta(seconds=5), "not_after": now + timedelta(days=2),
            "heartbeat_lost_minutes": MINUTES,
        }  # fmt: skip
        return Terms(**values | given)

    def asked(self, **given: Any) -> ApprovalRequest:
        return self.asked_with(self.terms(**given).as_json())

    def asked_with(self, terms: dict[str, Any]) -> ApprovalRequest:
        with as_role("app"), self.world.tenant.acting():
            call = ToolCall(
                tenant_id=self.world.tenant.id, principal_id=self.alice.id, principal_kind="user",
                principal_label="alice", customer=self.customer, instance=self.world.instance, connector="halopsa",
                tool="add_note", arguments=NOTE, state=ToolCall.State.REFUSED,
            )  # fmt: skip
            return request_approval(call, Ruling(Effect.APPROVAL, len(self.people)), reason="Nights", terms=terms)

    def approved(self, **given: Any) -> ApprovalRequest:
        request = self.asked(**given)
        with as_role("app"):
            for person in self.people:
                assert approve(person, request)
        return self.request(request)

    def issued(self, **given: Any) -> HeldGrant:
        grant = self.issue(self.approved(**given))
        assert grant
        return grant

    def issue(self, request: ApprovalRequest) -> HeldGrant | None:
        """In the broker: its name, its role, its key. The message brings a context of one of the approvers."""
        with as_role("broker"), acting_for(Context(self.world.tenant.id, (self.customer.id,))):
            return issue(request.pk)

    def settle(self) -> list[GrantUse]:
        with as_role("app"), self.world.tenant.acting():
            waiting = list(GrantUse.objects.filter(state="received").order_by("id"))
        with as_role("broker"), acting_for(Context(self.world.tenant.id)):
            for use in waiting:
                settle(use.pk)
        with as_role("app"), self.world.tenant.acting():
            return list(GrantUse.objects.filter(agent=self.agent).order_by("id"))

    def request(self, request: ApprovalRequest) -> ApprovalRequest:
        with as_role("app"), self.world.tenant.acting():
            return ApprovalRequest.objects.get(id=request.pk)

    def grant(self, grant: HeldGrant) -> HeldGrant:
        with as_role("app"), self.world.tenant.acting():
            return HeldGrant.objects.get(id=grant.pk)

    def calls(self) -> list[ToolCall]:
        with as_role("app"), self.world.tenant.acting():
            return list(ToolCall.objects.filter(tool="add_note").order_by("id"))


class Host:
    """The machine with the agent: its configuration, what its action has done, and how far its clocks were moved."""

    def __init__(self, folder: Path, portal: str) -> None:
        self.folder, self.portal = folder, portal
        self.effect, self.alert, self.moved = (folder / name for name in ("effect", "alert", "moved"))
        self.config = folder / "agent.json"
        self.writes(f"import sys; open({str(self.effect)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))")

    def writes(self, program: str, **more: Any) -> None:
        """`program`: what the action does, as Python."""
        argv = [sys.executable, "-c", program, "--ticket={ticket_id}", "--note={note}"]
        told = {
            "portal": self.portal, "state": str(self.folder / "state"), "every": 0.1, "timeout": 5,
            "actions": {TOOL: {"argv": argv, "seconds": 20}}, "critical_alert": {"file": str(self.alert)},
        }  # fmt: skip
        self.config.write_text(json.dumps(told | more))

    def fired(self) -> int:
        return len(self.effect.read_text().splitlines()) if self.effect.exists() else 0

    def start(self, command: str = "run", said: str = "", **env: str) -> "Running":
        """`said`: what it is told on its standard input."""
        return Running(self, command, said, {"PATH": os.environ["PATH"], "MOVED": str(self.moved)} | env)

    def enrol(self, code: str) -> str:
        return self.start("enrol", f"{code}\n").ended()[1]

    def move(self, *, wall: float, steady: float | None = None) -> None:
        """Both clocks, while it runs."""
        draft = self.moved.with_suffix(".new")
        draft.write_text(json.dumps([wall, wall if steady is None else steady]))
        draft.replace(self.moved)

    def agent(self, clock: "Hands | None" = None) -> msplex_agent.Agent:
        """In this process, with clocks that stand still until they are moved."""
        return msplex_agent.Agent(json.loads(self.config.read_text()), clock or Hands())


class Hands(msplex_agent.Clock):
    """Clocks that are moved by hand."""

    def __init__(self) -> None:
        self.away = self.apart = 0.0

    def wall(self) -> float:
        return time.time() + self.away

    def steady(self) -> float:
        return super().steady() + self.away - self.apart

    def sleep(self, seconds: float) -> None:
        self.away += seconds


class Running:
    """The agent as a process; what it says goes into a file."""

    def __init__(self, host: Host, command: str, told: str, env: dict[str, str]) -> None:
        number = len(list(host.folder.glob("*.log")))
        self.log, given = host.folder / f"{number}.log", host.folder / f"{number}.in"
        given.write_text(told)
        with self.log.open("wb") as output, given.open("rb") as source:
            self.process = subprocess.Popen(
                [sys.executable, str(DRIVER), "--config", str(host.config), command], env=env, stdin=source,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def ended(self) -> tuple[int, str]:
        """By itself: its exit code, and what it has said."""
        return self.process.wait(WAIT), self.log.read_text()

    def says(self, *words: str) -> None:
        deadline = time.monotonic() + WAIT
        while not all(word in self.log.read_text() for word in words):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{words} were not said: {self.log.read_text()}"
            time.sleep(0.05)

    def looks(self, times: int = 3) -> None:
        """Until it has looked again so often: each look is remembered."""
        memory = self.log.parent / "state" / "memory.json"
        for _ in range(times):
            before, deadline = memory.stat().st_mtime_ns, time.monotonic() + WAIT
            while memory.stat().st_mtime_ns == before:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT)


@contextmanager
def portal_process() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The portal, as it is deployed."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--no-ws", "--workers-kill-timeout", "1", "--log-level", "warning", "msplex.wsgi:application",
    ]  # fmt: skip
    keys = (f"MSPLEX_{name}" for name in KEYS[Process.PORTAL])
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment("portal", "app", *keys) | {"REDIS_URL": stack_redis()}
    )
    wait_for(f"http://127.0.0.1:{port}/healthz", process)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(20)


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(each + "==")) for each in (header, payload))  # type: ignore[return-value]
