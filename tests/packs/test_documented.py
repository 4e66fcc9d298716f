"""The commands of docs/verifying.md, as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit.packs import format as fmt
from msplex.runtime.home import ROOT
from tests.packs.maker import VERIFIER, MemoryLog, pem_of

COMMANDS = re.findall(r"^(?:python3|openssl) .*$", (ROOT / "docs" / "verifying.md").read_text(), re.MULTILINE)


@pytest.fixture
def desk(log: MemoryLog, acme, tmp_path: Path) -> Path:
    """What a reader of the page has in a folder."""
    march, april = log.pack(acme, 0, 12, month="2026-03"), log.pack(acme, 12, 30)
    for month, files in (("2026-03", march), ("2026-04", april)):
        (tmp_path / f"{month}.zip").write_bytes(fmt.zip_of(month, files))
    for name, content in april.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "2026-04.sig").write_bytes(fmt.signature_file(april["SHA256SUMS"], april["SHA256SUMS.sig"], log.vkey))
    (tmp_path / "log.pub").write_text(pem_of(log.key))
    (tmp_path / "event.json").write_bytes(log.entries[7][1].line())
    (tmp_path / "inclusion.json").write_bytes(log.proof(7))
    (tmp_path / "old.checkpoint").write_bytes(log.note(12))
    (tmp_path / "new.checkpoint").write_bytes(log.note(30))
    (tmp_path / "consistency.json").write_bytes(log.growth(12, 30))
    shutil.copy(VERIFIER, tmp_path)
    return tmp_path


def test_there_are_as_many_as_are_tried_here():
    assert len(COMMANDS) == 7


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_works(desk, command):
    command = command.replace("python3 ", f"{sys.executable} -I ")
    done = subprocess.run(command, shell=True, cwd=desk, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["2026-04.jsonl.gz", "proof.json", "SHA256SUMS", "SHA256SUMS.sig"])
def test_the_plain_commands_see_a_changed_byte(desk, name):
    command = next(each for each in COMMANDS if each.startswith("openssl"))
    raw = bytearray((desk / name).read_bytes())
    raw[20] ^= 1
    (desk / name).write_bytes(raw)

    assert subprocess.run(command, shell=True, cwd=desk, capture_output=True, check=False).returncode != 0
