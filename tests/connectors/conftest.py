"""What was handed to the queue, instead of a worker that takes it."""

from typing import Any

import pytest


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was handed to the queue."""
    from connectors.tasks import check_instance  # noqa: PLC0415

    messages: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        type(check_instance._get_current_object()), "apply_async", lambda _self, *args, **_kwargs: messages.append(args)
    )
    return messages
