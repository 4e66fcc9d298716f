"""What each of the broker's processes does before anything else."""

from datetime import UTC, datetime

from msplex.hygiene import keep_memory_private


def prepare() -> None:
    """Nobody reads its memory, and there are keys: the portal can seal as soon as there is one."""
    from connectors.upkeep import ensure_keys  # noqa: PLC0415 - needs the apps

    keep_memory_private()
    ensure_keys(datetime.now(UTC))
