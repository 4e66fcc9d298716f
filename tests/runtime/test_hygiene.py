"""What is to be had of a secret from the memory of a process that opens them: nothing through the kernel's doors, and
nothing that still refers to it once the call is over."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = """
import os, resource
from msplex.hygiene import is_dumpable, keep_memory_private
assert is_dumpable()
keep_memory_private()
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
assert not is_dumpable()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
"""


def test_its_memory_is_its_own_and_its_childrens_theirs() -> None:
    subprocess.run([sys.executable, "-c", PRIVATE], cwd=ROOT, check=True)


def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    command = "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (-1, resource.getrlimit(4)[1]));"
    command += "from msplex.hygiene import keep_memory_private; keep_memory_private(); os.abort()"

    ended = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )

    assert ended.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []


SYSTEM_PYTHON = Path("/usr/bin/python3")  # which somebody else can run, whoever has made ours


@pytest.mark.skipif(os.geteuid() != 0 or not SYSTEM_PYTHON.exists(), reason="to be somebody else one has to be root")
def test_another_process_of_the_same_user_cannot_read_it() -> None:
    """As nobody, because root may read everything."""
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    code = (ROOT / "msplex" / "hygiene.py").read_text()
    target = f"{code}\nimport time\nkeep_memory_private()\nprint('kept', flush=True)\ntime.sleep(30)"
    process = subprocess.Popen([SYSTEM_PYTHON, "-c", target], stdout=subprocess.PIPE, **nobody)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"kept\n"
        look = f"open('/proc/{process.pid}/mem', 'rb').read(1)"
        looked = subprocess.run([SYSTEM_PYTHON, "-c", look], capture_output=True, check=False, **nobody)
    finally:
        process.kill()
        process.communicate()

    assert b"PermissionError" in looked.stderr
