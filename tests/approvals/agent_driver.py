"""The host agent as a process whose clocks can be moved, and that kills itself where it is told to.

Nothing of Django is here: it runs as on a machine that has only the one file.
"""

import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "approvals" / "agent" / "msplex_agent.py"
spec = importlib.util.spec_from_file_location("msplex_agent", FILE)
assert spec
assert spec.loader
agent = importlib.util.module_from_spec(spec)
sys.modules["msplex_agent"] = agent
spec.loader.exec_module(agent)


def moved(which: int) -> float:
    try:
        return float(json.loads(Path(os.environ["MOVED"]).read_text())[which])
    except FileNotFoundError:
        return 0.0


class Moved(agent.Clock):
    def wall(self) -> float:
        return super().wall() + moved(0)

    def steady(self) -> float:
        return super().steady() + moved(1)


def killed(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(place: str) -> None:
    """`before persist`, `after persist`, `after fire`, `before report`."""
    claim, finish = agent.Memory.claim, agent.Agent._finish
    if place == "before persist":
        agent.Memory.claim = killed
    if place == "after persist":
        agent.Memory.claim = lambda *given: claim(*given) and killed()
    if place == "after fire":
        agent.Agent._finish = killed
    if place == "before report":
        agent.Agent._finish = lambda *given: (finish(*given), killed())


agent.Clock = Moved
kill_at(os.environ.get("KILL_AT", ""))
if os.environ.get("WITHOUT_LOCK"):
    agent.Memory.lock = lambda _: None
sys.exit(agent.main())
