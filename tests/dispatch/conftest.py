from collections.abc import Iterator

import pytest
import redis
from django.conf import settings


@pytest.fixture(autouse=True)
def client() -> Iterator[redis.Redis]:
    """This process's Redis, with nothing in the line before the test; nor after it, for those who count what waits."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    _empty_the_line(client)
    yield client
    _empty_the_line(client)


def _empty_the_line(client: redis.Redis) -> None:
    for key in client.scan_iter("msplex:{calls}:*"):
        client.delete(key)
