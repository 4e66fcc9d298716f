"""A vendor that says to wait is not asked again meanwhile, by any process; and it should not have to say so."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import redis
from django.conf import settings

from connectors import pace
from connectors.errors import ExecutionError, VendorError
from connectors.execution import Job, execute
from connectors.models import Credential
from connectors.network import Answer, seconds_to_wait
from connectors.pace import Pace, Rate
from connectors.selectors import current_credential
from connectors.services import check_health, configure_instance
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, connect
from tests.connectors.vendor import StubVendor

pytestmark = pytest.mark.usefixtures("broker")
ROOT = Path(__file__).parents[2]
ANOTHER_PROCESS = """
import sys, django
django.setup()
from connectors.errors import VendorError
from connectors.pace import Pace
try:
    Pace(sys.argv[1]).take()
except VendorError as error:
    print(error.code, error.retry_after)
"""


def run(world: ConnectedWorld, *, customer: int = 0) -> int:
    """One call; the rows it brought."""
    with as_role("app"):
        call = world.call(customer=customer)
    with acting_for(Context(world.tenant.id, (world.tenant.customers[customer].id,))):
        return execute(Job(call, world.instance, world.mappings[customer])).rows_returned


def throttled(world: ConnectedWorld, *, customer: int = 0) -> int:
    """The seconds that a refused call is told to wait."""
    with pytest.raises(ExecutionError) as caught:
        run(world, customer=customer)
    assert (caught.value.code, caught.value.retryable) == ("vendor_throttled", True)
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def credential(world: ConnectedWorld) -> Credential:
    with as_role("app"), world.tenant.acting():
        found = current_credential(world.instance)
    assert found is not None
    return found


def limited_to(world: ConnectedWorld, requests: int) -> None:
    with as_role("app"), world.tenant.acting():
        terms = world.instance.settings | {"request_limit": requests}
        world.instance = configure_instance(world.instance, settings=terms, secret={}, by=ALICE)


def test_a_vendor_that_says_to_wait_is_not_asked_until_then(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("429")
    told = throttled(connected)
    vendor.behave("honest")
    asked = vendor.seen()["total"]

    left = [throttled(connected, customer=customer) for customer in (0, 1, 2)]

    assert told == 7
    assert all(0 < seconds <= 7 for seconds in left)
    assert vendor.seen()["total"] == asked
    Pace(str(credential(connected).id)).hold(1)
    time.sleep(1.05)
    assert run(connected) > 0


def test_what_the_vendor_said_holds_for_that_credential_alone(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        other = connect(vendor, name="globex")
    vendor.behave("429")
    throttled(connected)
    vendor.behave("honest")

    assert run(other) > 0


def test_every_process_of_the_broker_knows(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("429")
    throttled(connected)

    command = [sys.executable, "-c", ANOTHER_PROCESS, str(credential(connected).id)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    code, seconds = said.split()
    assert code == "vendor_throttled"
    assert 0 < int(seconds) <= 7


def test_a_health_check_waits_too(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("429")
    with acting_for(Context(connected.tenant.id)):
        check_health(connected.instance.id)
        asked = vendor.seen()["total"]
        check_health(connected.instance.id)

    assert vendor.seen()["total"] == asked


def test_calls_are_paced_below_the_limit(connected: ConnectedWorld, vendor: StubVendor) -> None:
    limited_to(connected, 30)
    vendor.reset()

    while vendor.seen()["total"] < 9:
        run(connected)

    assert 0 < throttled(connected) <= 300
    assert vendor.seen()["total"] == 9


def test_the_pace_does_not_make_a_connection_look_ill(connected: ConnectedWorld, vendor: StubVendor) -> None:
    limited_to(connected, 30)
    vendor.reset()
    while vendor.seen()["total"] < 9:
        run(connected)
    throttled(connected)

    with acting_for(Context(connected.tenant.id)):
        check_health(connected.instance.id)

    with as_role("app"), connected.tenant.acting():
        connected.instance.refresh_from_db()
    assert connected.instance.health == "healthy"


def test_no_stretch_of_the_limits_time_sees_more_than_the_limit() -> None:
    """A full bucket, and all that it regains meanwhile."""
    burst, per_second, seconds = Pace("x", Rate(300, 300))._bucket()

    assert burst + per_second * seconds <= 0.9 * 300


def test_redis_holds_an_id_and_lets_go_of_it(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("429")
    throttled(connected)

    server = redis.Redis.from_url(settings.REDIS_URL)
    kept = [key for key in server.scan_iter() if str(credential(connected).id).encode() in key]

    assert len(kept) == 2
    assert all(0 < server.pttl(key) <= 1000 * pace.LONGEST_HOLD for key in kept)  # of a bucket it is short
    assert b"".join(server.get(key) for key in kept if key.endswith(b":held")) == b""
    assert set(server.hkeys(next(key for key in kept if key.endswith(b":bucket")))) == {b"tokens", b"at"}


def test_without_redis_calls_go_on(connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.2)
    monkeypatch.setattr(pace, "client", lambda: away)

    assert run(connected) > 0

    monkeypatch.undo()  # back again, it is asked as if it had never been away
    Pace("near").hold(60)
    with pytest.raises(VendorError):
        Pace("near").take()


def test_a_hold_is_never_longer_than_a_quarter_of_an_hour() -> None:
    Pace("far").hold(10**9)

    with pytest.raises(VendorError) as caught:
        Pace("far").take()
    assert 890 < (caught.value.retry_after or 0) <= pace.LONGEST_HOLD


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("99999999", 900),
        ("", 30),
        ("soon", 30),
        ("-5", 30),
        ("²", 30),
        pytest.param("9" * 5000, 900, id="endless"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2015 07:28:00", 30),
    ],
)
def test_retry_after_is_read_however_it_is_said(header: str, seconds: int) -> None:
    assert seconds_to_wait(Answer(429, {"retry-after": header}, b"")) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert 80 <= seconds_to_wait(Answer(429, {"retry-after": soon}, b"")) <= 100
