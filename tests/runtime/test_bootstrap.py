import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from msplex.runtime.home import ROOT

REQUIREMENTS = sorted((ROOT / "deploy" / "requirements").glob("*.txt"))


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "bootstrap.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in {"VENV": ".venv", "PYTHON": ".venv/bin/python", "STAMP": ".venv/stamp.json"}.items():
        monkeypatch.setattr(module, name, tmp_path / path)
    return module


def test_second_start_installs_nothing(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.PYTHON.parent.mkdir(parents=True)
    bootstrap.PYTHON.touch()
    installed = {
        group: bootstrap.digest(bootstrap.REQUIREMENTS / f"{group}.txt") for group in ("runtime", "embedded", "test")
    }
    bootstrap.STAMP.write_text(json.dumps(installed))
    monkeypatch.setattr(bootstrap, "install", lambda _: pytest.fail("installed again"))

    bootstrap.prepare(("runtime", "embedded"))


def test_environment_grows_by_what_is_missing(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.PYTHON.parent.mkdir(parents=True)
    bootstrap.PYTHON.touch()
    bootstrap.STAMP.write_text(json.dumps({"runtime": "an older file"}))
    asked: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "install", asked.append)
    monkeypatch.setattr(bootstrap, "run", lambda *_: pytest.fail("made the environment again"))

    bootstrap.prepare(("runtime", "embedded"))

    assert asked == [["runtime", "embedded"]]


def test_help_needs_nothing_installed() -> None:
    answer = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "deploy" / "bootstrap.py", "help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "run " in answer.stdout


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_requirements_are_pinned_by_hash_and_name_no_place(path: Path) -> None:
    text = path.read_text()

    for entry in re.findall(r"^[A-Za-z0-9].*?(?=^[A-Za-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL):
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"://|@ |--index|--find-links|^#|/", text, re.MULTILINE)


def test_groups_agree_on_versions() -> None:
    pins = {
        pin for path in REQUIREMENTS for pin in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
    }

    assert len(pins) == len({name for name, _ in pins})
