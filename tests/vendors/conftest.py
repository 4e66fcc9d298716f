"""A stand-in for each vendor, in a process of its own, started when its first test needs it.

This file is read before Django is set up, so what needs models is imported inside.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.connectors.vendor import StubVendor
from tests.processes import stub_of

if TYPE_CHECKING:
    from tests.vendors.case import Case


@pytest.fixture(scope="session")
def stubs() -> Iterator[Callable[[str], str]]:
    started: dict[str, str] = {}
    with contextlib.ExitStack() as stack:

        def url_of(module: str) -> str:
            if module not in started:
                started[module] = stack.enter_context(stub_of(module))
            return started[module]

        yield url_of


@pytest.fixture
def stub(case: "Case", stubs: Callable[[str], str]) -> Iterator[StubVendor]:
    from connectors.access_tokens import TOKENS  # noqa: PLC0415

    TOKENS.clear()
    vendor = StubVendor(stubs(case.module))
    vendor.behave("honest")
    vendor.reset()
    yield vendor
    vendor.behave("honest")
