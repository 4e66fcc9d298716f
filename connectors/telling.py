"""What a call says of its way to the vendor, for whoever waits for it and has asked to be told: fixed words, numbers.

Nothing of what is sent or answered is said here. Where nobody listens, it costs a look at a variable.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listening: ContextVar[Callable[[str], None] | None] = ContextVar("listening", default=None)


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    token = _listening.set(hear)
    try:
        yield
    finally:
        _listening.reset(token)


def tell_request(number: int) -> None:
    if hear := _listening.get():
        hear("Sent to the vendor." if number == 1 else f"Sent to the vendor: request {number}.")


def tell_page(number: int, most: int) -> None:
    if hear := _listening.get():
        hear(f"Read page {number} of at most {most}.")
