import io
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest

from msplex.runtime.console import Console
from msplex.runtime.home import ROOT, Home, Unusable
from msplex.runtime.places import held
from msplex.runtime.processes import is_alive, marked_with, wait_until
from msplex.runtime.programs import DOORS, TASKS, Ports, Program
from msplex.runtime.supervisor import Supervisor, check_ports

FOREVER = "print('up', flush=True); import time; time.sleep(60)"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(home: Home, log: io.StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(home, Console(log), {}, Ports())
    yield supervisor
    supervisor.stop()


@pytest.fixture
def program(home: Home) -> Callable[..., Program]:
    def make(name: str, code: str = FOREVER, *, stage: int = DOORS) -> Program:
        key, _, value = home.marker.partition("=")
        return Program(name, [sys.executable, "-c", code], {key: value}, stage, ready_line="up")

    return make


def test_supervisor_waits_until_all_are_ready_and_tags_their_lines(
    supervisor: Supervisor, program: Callable[..., Program], log: io.StringIO
) -> None:
    supervisor.start_programs([program("portal"), program("worker")])

    assert sorted(log.getvalue().splitlines()) == ["portal   | up", "worker   | up"]


def test_program_that_ends_during_the_start_is_named(supervisor: Supervisor, program: Callable[..., Program]) -> None:
    with pytest.raises(Unusable, match="broker ended with exit code 3"):
        supervisor.start_programs([program("portal"), program("broker", "raise SystemExit(3)")])


def test_crashed_program_is_started_again_after_a_pause(
    supervisor: Supervisor, program: Callable[..., Program], log: io.StringIO
) -> None:
    supervisor.start_programs([program("worker")])
    child = supervisor.children[0]
    assert child.process
    child.process.kill()
    child.process.wait()

    child.revive()
    assert not child.is_running
    time.sleep(1)
    child.revive()

    assert wait_until(child.is_ready, 5)
    assert "worker   | ended with SIGKILL; starting it again in 1 s" in log.getvalue()


def test_doors_stop_before_those_who_work_for_them(
    supervisor: Supervisor, program: Callable[..., Program], log: io.StringIO
) -> None:
    polite = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit())); "
        + FOREVER
    )
    supervisor.start_programs([program("worker", polite, stage=TASKS), program("portal", polite)])

    supervisor.stop()

    assert wait_until(lambda: log.getvalue().count("bye") == 2, 2)
    assert [line for line in log.getvalue().splitlines() if "bye" in line] == ["portal   | bye", "worker   | bye"]


def test_program_that_will_not_stop_is_killed_with_its_own_children_in_time(
    supervisor: Supervisor, program: Callable[..., Program], home: Home
) -> None:
    stubborn = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.fork()
        print("up", flush=True)
        time.sleep(60)
    """
    supervisor.start_programs([program("portal", textwrap.dedent(stubborn))])
    began = time.monotonic()

    supervisor.stop()

    assert time.monotonic() - began < 5
    assert wait_until(lambda: not any(map(is_alive, marked_with(home.marker))), 1)


def test_step_does_not_outlive_an_interruption(
    home: Home, program: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during the first seeding: the servers stop next, and nobody may still be working with them."""
    step, console = program("demo"), Console(io.StringIO())
    monkeypatch.setattr(console, "line", _interrupt)

    with pytest.raises(KeyboardInterrupt):
        Supervisor(home, console, {}, Ports()).run_once(step.name, step.command, step.environment)

    assert not marked_with(home.marker)


def _interrupt(_tag: str, _text: str) -> None:
    raise KeyboardInterrupt


def test_killed_supervisor_takes_its_programs_with_it(home: Home) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from msplex.runtime.console import Console
        from msplex.runtime.home import Home
        from msplex.runtime.programs import Ports, Program
        from msplex.runtime.supervisor import Supervisor
        home = Home(Path({str(home.path)!r}))
        environment = dict([home.marker.split("=")])
        program = Program("portal", [sys.executable, "-c", {FOREVER!r}], environment, 1, ready_line="up")
        Supervisor(home, Console(), {{}}, Ports()).start_programs([program])
        print("started", flush=True)
        time.sleep(60)
    """
    killed = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout
    with killed.stdout:
        assert "started\n" in iter(killed.stdout.readline, "")
    assert len(marked_with(home.marker)) == 1

    killed.send_signal(signal.SIGKILL)
    killed.wait()

    assert wait_until(lambda: not marked_with(home.marker), 5)


def test_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(Unusable, match=rf"{port} \(portal\).*MSPLEX_PORT="):
            check_ports(Ports(port, 0, 0))


def test_home_has_one_supervisor_at_a_time(home: Home) -> None:
    lock = home.state / "supervisor.lock"
    with held(lock) as first, held(lock) as second:
        assert (first, second) == (True, False)
    with held(lock) as again:
        assert again
    assert os.stat(lock).st_mode & 0o777 == 0o600  # noqa: PTH116 - the path was just locked
