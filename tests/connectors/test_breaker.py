"""A vendor that fails again and again is left alone by every process, tried by one, and taken back when it is well."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connectors import breaker as breakers
from connectors.breaker import FAILURES, OPEN_SECONDS, Breaker
from connectors.errors import ExecutionError, VendorError
from connectors.execution import Job, execute
from connectors.pace import client
from connectors.selectors import current_credential
from connectors.services import check_health
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor

pytestmark = pytest.mark.usefixtures("broker")
ROOT = Path(__file__).parents[2]
ANOTHER_PROCESS = """
import sys, django
django.setup()
from connectors.breaker import Breaker
from connectors.errors import VendorError
try:
    Breaker(sys.argv[1]).admit()
    print("admitted")
except VendorError as error:
    print(error.code, error.retry_after)
"""


def code_of(world: ConnectedWorld, tool: str = "list_tickets", arguments: Any = None) -> str:
    """What a call ends as; empty when it goes well."""
    with as_role("app"):
        call = world.call(tool, arguments)
    with acting_for(Context(world.tenant.id, (world.tenant.customers[0].id,))):
        try:
            execute(Job(call, world.instance, world.mappings[0]))
        except ExecutionError as error:
            return "unknown" if error.uncertain else error.code
    return ""


def credential_of(world: ConnectedWorld) -> str:
    with as_role("app"), world.tenant.acting():
        credential = current_credential(world.instance)
    assert credential is not None
    return str(credential.id)


def waited(credential: str) -> None:
    """As if the time were over."""
    client().delete(f"msplex:vendor:{{{credential}}}:open")


def failed(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.note(failed=True)


def refused(breaker: Breaker) -> int:
    with pytest.raises(VendorError) as caught:
        breaker.admit()
    assert (caught.value.code, caught.value.retryable) == ("vendor_unavailable", True)
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_after_failures_in_a_row_nothing_is_sent(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("500")
    codes = [code_of(connected) for _ in range(FAILURES + 2)]

    before = vendor.seen()["total"]
    assert codes == ["vendor_fault"] * FAILURES + ["vendor_unavailable"] * 2
    assert code_of(connected, "create_ticket", {"summary": "New", "details": "Look."}) == "vendor_unavailable"
    assert vendor.seen()["total"] == before


def test_failures_that_are_not_in_a_row_do_not_count(connected: ConnectedWorld, vendor: StubVendor) -> None:
    for _ in range(2):
        vendor.behave("500")
        assert {code_of(connected) for _ in range(FAILURES - 1)} == {"vendor_fault"}
        vendor.behave("honest")
        assert code_of(connected) == ""


@pytest.mark.parametrize("mode", ["forbidden", "html", "truncated"])
def test_an_answer_that_is_no_failure_of_the_vendor_does_not_count(
    mode: str, connected: ConnectedWorld, vendor: StubVendor
) -> None:
    vendor.behave(mode)

    assert "vendor_unavailable" not in {code_of(connected) for _ in range(FAILURES + 2)}


def test_every_process_knows_and_another_credential_is_free() -> None:
    credential = str(uuid4())
    failed(Breaker(credential), FAILURES)

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "msplex.settings"}
    said = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS, credential],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert said.stdout.split()[0] == "vendor_unavailable"
    assert 0 < refused(Breaker(credential)) <= OPEN_SECONDS
    Breaker(str(uuid4())).admit()


def test_one_request_tries_and_the_others_wait_for_it() -> None:
    credential = str(uuid4())
    failed(Breaker(credential), FAILURES)
    waited(credential)

    Breaker(credential).admit()

    assert refused(Breaker(credential)) <= breakers.PROBE_SECONDS


def test_a_try_that_fails_opens_it_again_and_one_that_goes_well_closes_it() -> None:
    credential = str(uuid4())
    failed(Breaker(credential), FAILURES)
    waited(credential)
    failed(Breaker(credential), 1)
    assert refused(Breaker(credential)) > 0
    waited(credential)
    tried = Breaker(credential)
    tried.admit()

    tried.note(failed=False)

    failed(Breaker(credential), FAILURES - 1)
    Breaker(credential).admit()


def test_a_health_check_tries_at_once_and_ends_it(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("500")
    for _ in range(FAILURES):
        code_of(connected)
    vendor.behave("honest")
    assert code_of(connected) == "vendor_unavailable"

    with acting_for(Context(connected.tenant.id, None)):
        check_health(connected.instance.id)

    assert code_of(connected) == ""


def test_without_redis_everything_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = str(uuid4())
    failed(Breaker(credential), FAILURES)

    def away() -> Any:
        raise breakers.redis.ConnectionError

    monkeypatch.setattr(breakers, "client", away)

    Breaker(credential).admit()
    Breaker(credential).note(failed=True)
    assert Breaker(credential).seconds_left() == 0
