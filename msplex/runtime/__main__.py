"""The commands behind the Makefile, inside the environment that deploy/bootstrap.py made."""

import sys
from importlib import import_module

# Imported when asked for: `run` must not need what only tests need.
COMMANDS = {
    "run": ("msplex.runtime.run", "run"),
    "test": ("msplex.runtime.testing", "test"),
    "check": ("msplex.runtime.checks", "check"),
    "format": ("msplex.runtime.checks", "tidy"),
    "smoke": ("msplex.runtime.smoke", "smoke"),
    "sweep": ("msplex.runtime.sweep", "sweep"),
    "manage": ("msplex.runtime.manage", "manage"),
    "bench": ("msplex.runtime.bench", "bench"),
    "conformance": ("msplex.runtime.conformance", "conformance"),
}
TAKE_ARGUMENTS = {"test", "bench", "manage"}


def main(command: str = "", *arguments: str) -> int:
    if command not in COMMANDS or (arguments and command not in TAKE_ARGUMENTS):
        print(f"Unknown command: {' '.join((command, *arguments))}. See `make help`.", file=sys.stderr)
        return 2
    module, name = COMMANDS[command]
    carry_out = getattr(import_module(module), name)
    verdict: int = carry_out(arguments) if command in TAKE_ARGUMENTS else carry_out()
    return verdict


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
