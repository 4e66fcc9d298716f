"""What was handed to the queue, instead of a worker that takes it."""

from typing import Any

import pytest


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was handed to the queue."""
    from connectors.tasks import check_instance, fetch_clients  # noqa: PLC0415

    messages: list[tuple[Any, ...]] = []
    for task in (check_instance, fetch_clients):
        own = type(task._get_current_object())
        monkeypatch.setattr(own, "apply_async", lambda _self, *args, **_kwargs: messages.append(args))
    return messages
