"""`make run`: from nothing to a working portal, until Ctrl-C."""

import os
import time

from msplex.runtime.console import Console
from msplex.runtime.home import Home
from msplex.runtime.places import note_running, running, sole, standing_home
from msplex.runtime.programs import Installation, Ports
from msplex.runtime.supervisor import Supervisor, seed_demo, stopping_orderly


def run() -> int:
    home, console = standing_home(), Console()
    with sole(home) as ours:
        if not ours:
            return _say_what_runs(home, console)
        return _supervise(Supervisor(home, console, os.environ, Ports.chosen(os.environ)))


def _supervise(supervisor: Supervisor) -> int:
    began = time.monotonic()
    try:
        with stopping_orderly(supervisor):
            installation = supervisor.start()
            if installation.is_demo:
                seed_demo(supervisor, installation)
            addresses = {"portal": installation.public_url, "gateway": installation.gateway_url}
            note_running(supervisor.home, mode=installation.mode, **addresses)
            _say_ready(supervisor.console, installation, time.monotonic() - began)
            supervisor.watch()
    except KeyboardInterrupt:
        supervisor.console.say("Stopped.")
    return 0


def _say_ready(console: Console, installation: Installation, seconds: float) -> None:
    console.say(f"\nMSPlex is ready ({seconds:.1f} s). Ctrl-C stops it.")
    console.say(f"  Portal   {installation.public_url}")
    console.say(f"  Gateway  {installation.gateway_url}")
    console.say(f"  Data     {installation.home.servers}")
    if installation.is_demo:
        console.say(f"  Demo     passwords and codes stand above, and in {installation.credentials}")
    console.say()


def _say_what_runs(home: Home, console: Console) -> int:
    facts = running(home)
    if not facts:
        console.say("MSPlex is being started or stopped from this checkout by another command; see its terminal.")
        return 1
    console.say(f"MSPlex is already running from this checkout (process {facts['pid']}).")
    console.say(f"  Portal   {facts['portal']}\n  Gateway  {facts['gateway']}")
    return 0
