#!/usr/bin/env python3
"""The way in: needs Python 3.11 and pip, makes .venv, then hands over to `python -m msplex.runtime`.

Standard library only. Its syntax is that of Python 3.6, so that an older one gets as far as the sentence below.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is what an older Python is meant to reach
    sys.exit(
        "MSPlex needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 run"
    )

import contextlib
import ctypes.util
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".msplex-installed.json"
TOOLS = ROOT / ".tools"
UV = TOOLS / "bin" / "uv"
REQUIREMENTS = ROOT / "deploy" / "requirements"

GROUPS = ("runtime", "embedded", "test", "conformance", "lint", "otel")
SERVING = ("runtime", "embedded")
CHECKING = (*SERVING, "test", "lint")
COMMANDS = {
    "run": (SERVING, "start everything and say where to go; Ctrl-C stops it"),
    "test": ((*SERVING, "test"), "run the tests; T=path for some, DATABASE_URL=... for your own PostgreSQL"),
    "check": (CHECKING, "format, lint, types, import rules, templates, migrations, production settings"),
    "smoke": (SERVING, "start everything in a throw-away place, act as users do, print one JSON line"),
    "bench": (SERVING, "measure, print JSON"),
    "sweep": (SERVING, "plant secrets through the portal, crash everything, look for them everywhere, print JSON"),
    "conformance": ((*SERVING, "conformance"), "the official MCP suite and clients against the gateway"),
    "format": (CHECKING, "format and fix what can be fixed by a tool"),
    "manage": (SERVING, "a Django command for what runs here: make manage ARGS='create_tenant ...'"),
    "lock": ((), "pin every requirement again after a change of pyproject.toml; --upgrade for newer versions"),
    "install": (CHECKING, "only prepare .venv; with `otel` also what sends traces"),
}
MAKES_PDF = {"run", "test", "smoke", "bench", "conformance", "sweep"}
PANGO = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> None:
    command = arguments[0] if arguments else "help"
    if command not in COMMANDS:
        show_help(known=command in {"help", "-h", "--help"})
    with alone():
        if command == "lock":
            lock(upgrade="--upgrade" in arguments)
        else:
            prepare((*COMMANDS[command][0], *wanted_extras(command, arguments)))
    if command not in {"lock", "install"}:
        hand_over(command, arguments)


def wanted_extras(command: str, arguments: Sequence[str]) -> Sequence[str]:
    """What is not needed unless it is asked for; once there, it is kept up to date."""
    asked = command == "install" and "otel" in arguments
    return ("otel",) if asked or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") else ()


def hand_over(command: str, arguments: Sequence[str]) -> None:
    if command in MAKES_PDF:
        find_pango()
    if command == "test":
        find_chromium()
        find_poppler()
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "msplex.runtime", *arguments])  # noqa: S606 - replaces this process


def show_help(*, known: bool) -> NoReturn:
    print("Usage: make COMMAND    (or: python3 deploy/bootstrap.py COMMAND)\n")
    for name, (_, text) in COMMANDS.items():
        print(f"  {name:13}{text}")
    sys.exit(0 if known else 2)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two commands at once must not install into one environment."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# The environment: it only grows, because servers may be running from it.


def prepare(groups: Sequence[str]) -> None:
    installed = read_stamp()
    wanted = {group: digest(REQUIREMENTS / f"{group}.txt") for group in GROUPS if group in {*groups, *installed}}
    if PYTHON.exists() and installed == wanted:
        return
    say(f"Installing {', '.join(wanted)} into .venv (once; later starts skip this)")
    if not PYTHON.exists():
        # Without pip: the same on systems that ship Python without ensurepip.
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    install(list(wanted))
    STAMP.write_text(json.dumps(wanted))


def read_stamp() -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(groups: Sequence[str]) -> None:
    files = [argument for group in groups for argument in ("-r", str(REQUIREMENTS / f"{group}.txt"))]
    if get_uv() and succeeds(UV, "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", *files):
        return
    say("Installing with pip, which takes longer")
    try:
        run(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "--require-hashes", *files)
    except subprocess.CalledProcessError:
        sys.exit("The requirements could not be installed; the reason stands above. Running the command again resumes.")


def get_uv() -> bool:
    """uv installs ten times faster than pip. It is a convenience: whatever goes wrong, pip does the work."""
    pins = REQUIREMENTS / "tools.txt"
    mark = TOOLS / ".uv-pins"
    if UV.exists() and mark.exists() and mark.read_text() == digest(pins):
        return True
    target: list[str | Path] = ["--upgrade", "--target", TOOLS, "--require-hashes", "--no-deps", "-r", pins]
    if not succeeds(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *target):
        return False
    mark.write_text(digest(pins))
    return UV.exists()


def environment() -> dict[str, str]:
    # Copying is the safe link mode: .venv and uv's cache may be on different file systems.
    return {
        **os.environ,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, env=environment(), check=True, stdin=subprocess.DEVNULL)


def succeeds(*command: str | Path) -> bool:
    try:
        run(*command)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


# Pins: one resolution for all groups, then each group is written within it, so that no two disagree.


def lock(*, upgrade: bool) -> None:
    if not get_uv():
        sys.exit("Pinning needs uv, and it could not be installed.")
    everything = TOOLS / "everything.txt"
    pinned = "" if upgrade else "".join(pins_of(group) for group in GROUPS)
    everything.write_text(pinned)
    others = [argument for group in GROUPS[1:] for argument in ("--group", group)]
    resolve("pyproject.toml", *others, "--output-file", everything)
    for group in GROUPS:
        source = ["pyproject.toml"] if group == "runtime" else ["--group", group]
        target = REQUIREMENTS / f"{group}.txt"
        target.unlink(missing_ok=True)
        resolve(*source, "--constraints", everything, "--output-file", target)


def pins_of(group: str) -> str:
    path = REQUIREMENTS / f"{group}.txt"
    return path.read_text() if path.exists() else ""


def resolve(*what: str | Path) -> None:
    """Write hashes, but no header and no index: the files must not say where they were made."""
    plain = [
        "--python",
        sys.executable,
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    run(UV, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", *plain, *what)


# System packages: Pango sets audit packs as PDF, the others are for tests.


def find_pango() -> None:
    """What is not installed unasked is named; everything but the PDF of audit packs works without."""
    if all(map(ctypes.util.find_library, PANGO)):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing Pango for the PDF files of audit packs (once)")
        apt("update", "-qq")
        packages = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core")
        apt("install", "-y", "-qq", "--no-install-recommends", *packages)
    if not all(map(ctypes.util.find_library, PANGO)):
        say("No Pango here: audit packs wait for it. Their page says what to install.")


def find_chromium() -> None:
    """Name the browser in MSPLEX_CHROMIUM, installing it where that can be done unasked."""
    if os.environ.get("MSPLEX_CHROMIUM"):
        return
    if not on_path() and os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing Chromium for the browser tests (once)")
        apt("update", "-qq")
        apt("install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation")
    found = on_path()
    if found:
        os.environ["MSPLEX_CHROMIUM"] = found
    else:
        say("No Chromium here: the browser tests will be skipped. Install one, or name it in MSPLEX_CHROMIUM.")


def find_poppler() -> None:
    """pdfsig says of our signed PDF files what a reader that is not ours says."""
    if not shutil.which("pdfsig") and os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing Poppler for the tests of signed PDF files (once)")
        apt("update", "-qq")
        apt("install", "-y", "-qq", "--no-install-recommends", "poppler-utils")


def on_path() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def apt(*arguments: str) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", *arguments]
    subprocess.run(command, env=quiet, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1:])
