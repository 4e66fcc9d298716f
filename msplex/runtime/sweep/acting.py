"""What is done between the planting and the search: all that touches a credential, well and badly."""

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

from msplex.runtime.home import ROOT
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.proof import expect
from msplex.runtime.sweep import doors
from msplex.runtime.sweep.breaking import crash_all, telling_servers, without_table
from msplex.runtime.sweep.doors import Answers, Door, Watched
from msplex.runtime.sweep.planting import Planted, configure, plant
from msplex.runtime.sweep.vendors import StandIn
from msplex.runtime.world import World

NORTHWIND, ONE_CUSTOMER, AUDITOR = 0, 1, 2
# Each for one call of one tool; what fails comes last, because a vendor that fails again and again is left alone.
ONCE = ("injection", "drift", "empty", "html", "truncated", "500_key", "honest")
ECHOES = ("plain", "base64_inside", "hex", "url", "token")
_PACK_WITHIN = 90.0
NTFY = "https://ntfy.sweep.invalid"


@dataclass
class Act:
    world: World
    stand_ins: list[StandIn]
    control: str
    ntfy_token: str
    answers: Answers = field(default_factory=Answers)
    processes: list[tuple[str, bytes]] = field(default_factory=list)
    packs: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._auditor = Agent(self.world, NORTHWIND, AUDITOR)
        self._door = Door(self.world, Agent(self.world, NORTHWIND, ONE_CUSTOMER), self.answers)
        self._browser = Watched(self.answers)

    def everything(self, of_processes: Callable[[], list[tuple[str, bytes]]]) -> dict[str, Any]:
        """In order. What was done, counted."""
        telling_servers(self.world)
        with redis.Redis.from_url(self.world.installation.redis_url) as queue:
            queue.set("sweep", self.control)
        self._furnish()
        self._browser.sign_in(self.world, NORTHWIND, "owner")
        self._set_up_ntfy()
        planted = [plant(self._browser, self.world, each, self._auditor, name=self.control) for each in self.stand_ins]
        calls = [self._called(each) for each in planted]
        self.processes = of_processes()
        failures = self._failed_in_the_middle(planted[0])
        crashes = crash_all(self.world, lambda: self._slowly(planted[0]))
        self._pack()
        return {
            "planted": len(planted),
            "calls": sum(calls),
            "failures": failures,
            "crashes": crashes,
            "pages": self._browser.crawl(self.world),
            "api_lists": doors.api_lists(self.world, self._auditor, self.answers),
        }

    def _furnish(self) -> None:
        workspace = self.world.demo["tenants"][NORTHWIND]["workspace"]
        command = [sys.executable, "-m", "msplex.runtime.sweep.furnish", workspace]
        environment = self.world.installation.command_environment()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)

    def _set_up_ntfy(self) -> None:
        """A server that nobody runs: the worker opens the token at each try."""
        channels, own = (f"{self.world.portal}/notifications/{name}/" for name in ("channels", "preferences"))
        self._browser.submit(self._browser.get(channels), ntfy_server=NTFY)
        self._browser.submit(self._browser.get(channels), to="/token/", token=self.ntfy_token)
        page = self._browser.submit(self._browser.get(own), ntfy="warning")
        expect("There is one." in self._browser.get(channels).text, f"the token was not taken; {page.address}")

    def _called(self, planted: Planted) -> int:
        """Every tool that can be called without a word, at a vendor that is honest and one that is not."""
        tools = list(self._door.plain_tools(planted.slug))
        expect(tools, f"no tool of {planted.slug} is listed")
        for mode in ("honest", "mix", "ignore_filter"):
            self._in(planted, {"mode": mode}, *tools)
        for echo in ECHOES:
            self._in(planted, {"mode": "echo_key", "encoding": echo}, tools[0])
        for mode in ONCE:
            self._in(planted, {"mode": mode}, tools[0])
        return len(tools) * 3 + len(ECHOES) + len(ONCE)

    def _in(self, planted: Planted, mood: dict[str, Any], *tools: str) -> None:
        planted.stand_in.tell("mode", mood)
        for tool in tools:
            self._door.call(tool)

    def _failed_in_the_middle(self, planted: Planted) -> int:
        """Where the secret is in hand: the portal that has just sealed it, the broker that has just opened it."""
        tool = next(self._door.plain_tools(planted.slug))
        page = self._browser.get(planted.page)
        with without_table(self.world, "content.connectors_sealedsecret"):
            failed = configure(self._browser, page, planted.stand_in)
            expect(failed.status >= 500, f"the portal said {failed.status} without the table of ciphertext")  # noqa: PLR2004
        with without_table(self.world, "content.connectors_adoptedsecret"):
            self._browser.submit(self._browser.get(planted.page), to="/check/")
            self._door.call(tool)
        planted.stand_in.tell("mode", {"mode": "slow", "delay": 2})
        with without_table(self.world, "content.billing_usageevent"):
            self._door.call(tool)
        planted.stand_in.tell("mode", {"mode": "honest"})
        return 4

    def _slowly(self, planted: Planted) -> None:
        """A page and a call that are under way when a process ends."""
        planted.stand_in.tell("mode", {"mode": "slow", "delay": 3})
        try:
            self._door.call(f"{planted.slug}_list_tickets")
        finally:
            planted.stand_in.tell("mode", {"mode": "honest"})
            configure(self._browser, self._browser.get(planted.page), planted.stand_in)

    def _pack(self) -> None:
        customer = self.world.demo["tenants"][NORTHWIND]["customers"][0]["id"]
        month = dt.datetime.now(dt.UTC).strftime("%Y-%m")
        address = doors.order_pack(self._auditor, self.world, self.answers, customer=customer, month=month)
        deadline = time.monotonic() + _PACK_WITHIN
        while not (made := doors.pack(self._auditor, self.answers, address)):
            expect(time.monotonic() < deadline, f"the pack was not ready within {_PACK_WITHIN:.0f} s")
            time.sleep(1)
        self.packs.append(("pack", made))
