"""`make check`: everything about the code that needs no server. All are run, all failures are shown."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from msplex.guard import KEYS
from msplex.runtime.home import ROOT
from msplex.runtime.keys import Keys
from tenants.process import Process

_BIN = Path(sys.executable).parent
_MANAGE = (sys.executable, "manage.py")
# The suite's own conftest makes a database; these tests need none.
_CODE_TESTS = ("tests/code", "--confcutdir=tests/code", "-n0", "-q", "--disable-socket", "--allow-unix-socket")


@dataclass(frozen=True)
class Check:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    check: Check
    passed: bool
    seconds: float
    output: str


def check() -> int:
    with tempfile.TemporaryDirectory() as directory:
        keys = Keys(Path(directory))
        keys.make()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(_run, _checks(_production(keys))))
    failed = [outcome.check.name for outcome in outcomes if not outcome.passed]
    for outcome in outcomes:
        _report(outcome)
    print(
        f"\n{len(failed)} of {len(outcomes)} checks failed: {', '.join(failed)}" if failed else "\nAll checks passed."
    )
    return 1 if failed else 0


def tidy() -> int:
    """`make format`."""
    commands = [
        [_BIN / "ruff", "check", "--fix", "--quiet", "."],
        [_BIN / "ruff", "format", "."],
        [_BIN / "djlint", "templates", "--reformat", "--quiet"],
    ]
    # djlint ends with 1 when it changed something, ruff when something is left to a person: `make check` judges.
    for command in commands:
        subprocess.run([str(word) for word in command], cwd=ROOT, check=False)
    return 0


def _checks(production: Mapping[str, str]) -> list[Check]:
    tools = {
        # Slowest first: the others run beside it.
        "types": ("mypy", "."),
        "tests about the code": ("pytest", *_CODE_TESTS),
        "import rules": ("lint-imports", "--no-cache"),
        "templates": ("djlint", "templates", "--lint", "--quiet"),
        "format of templates": ("djlint", "templates", "--check", "--quiet"),
        "rules": ("ruff", "check", "."),
        "format": ("ruff", "format", "--check", "."),
    }
    django = {
        "migrations": ("makemigrations", "--check", "--dry-run"),
        "production settings": ("check", "--deploy", "--fail-level", "WARNING"),
    }
    return [
        *(Check(name, (str(_BIN / tool), *rest), production) for name, (tool, *rest) in tools.items()),
        *(Check(name, (*_MANAGE, *arguments), production) for name, arguments in django.items()),
    ]


def _production(keys: Keys) -> dict[str, str]:
    """The portal's settings as in production, with keys made for this moment and no database behind them."""
    files = {f"MSPLEX_{name}_FILE": str(keys.file(f"MSPLEX_{name}")) for name in KEYS[Process.PORTAL]}
    return files | {
        "PATH": f"{_BIN}{os.pathsep}{os.defpath}",
        "HOME": str(Path.home()),
        "DJANGO_SETTINGS_MODULE": "msplex.settings",
        "MSPLEX_ENV": "production",
        "MSPLEX_PUBLIC_URL": "https://msplex.example",
        "MSPLEX_WEBAUTHN_RP_ID": "msplex.example",
        "MSPLEX_GATEWAY_URL": "https://gateway.msplex.example/mcp",
        "DATABASE_URL": "postgres://msplex_app@127.0.0.1:1/none",
        "PYTHONUNBUFFERED": "1",
    }


def _run(check: Check) -> Outcome:
    began = time.monotonic()
    done = subprocess.run(
        check.command, cwd=ROOT, env=dict(check.environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return Outcome(check, done.returncode == 0, time.monotonic() - began, done.stdout)


def _report(outcome: Outcome) -> None:
    verdict = "ok    " if outcome.passed else "FAILED"
    print(f"{verdict} {outcome.check.name} ({outcome.seconds:.1f} s)")
    if not outcome.passed:
        print("\n".join(f"    {line}" for line in outcome.output.rstrip().splitlines()))
