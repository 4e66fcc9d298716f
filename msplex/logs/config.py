"""How the processes log. In production one line of JSON a record, on stdout; else lines for people, on stderr."""

from pathlib import Path
from typing import Any

GRANIAN = Path(__file__).with_name("granian.json")  # the same, for the parent of a server's workers
# Told so that others know that a process works; however little it is otherwise to say.
ALWAYS = ("msplex.ready", "celery.apps.worker", "celery.beat")


def logging_config(level: str, *, json: bool, to_stdout: bool) -> dict[str, Any]:
    """`to_stdout`: not for commands, whose output is what they were asked for."""
    handler: dict[str, Any] = {
        "class": "logging.StreamHandler",
        "stream": f"ext://sys.{'stdout' if to_stdout else 'stderr'}",
    }
    handler |= {"formatter": "json"} if json else {"formatter": "text", "filters": ["links"]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
            "json": {"()": "msplex.logs.lines.JsonLines"},
        },
        "filters": {"links": {"()": "msplex.logs.masks.MaskLinks"}},
        "handlers": {"said": handler},
        "root": {"handlers": ["said"], "level": level},
        "loggers": _loggers(level, json=json),
    }


def _loggers(level: str, *, json: bool) -> dict[str, Any]:
    bare = {"handlers": [], "propagate": True}  # through the root, whatever they came with
    quiet = {name: {"level": "WARNING"} for name in ("httpx2", "httpcore2", "mcp")}
    ready = {name: {"level": "DEBUG" if level == "DEBUG" else "INFO"} for name in ALWAYS}
    if not json:
        return {**quiet, **ready, "msplex.access": {"level": "WARNING"}}
    return {**quiet, **ready, "_granian": {**bare, "level": level}, "django": bare, "django.server": bare}
