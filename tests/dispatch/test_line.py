"""Who waits for whom in the line of calls, and what becomes of the call of a broker that died."""

import json
from uuid import UUID, uuid4

import pytest
import redis

from msplex.dispatch import line, turns
from msplex.dispatch.line import LineFull, Place, Stand
from msplex.replies import Reply
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import TaskRefused

pytestmark = pytest.mark.xdist_group("line")  # one of them makes the server forget all scripts

ACME, GLOBEX = Context(uuid4(), (uuid4(),)), Context(uuid4(), (uuid4(),))


@pytest.fixture
def stand(client):
    return begun("first")


def begun(name: str) -> Stand:
    stand = Stand(name)
    stand.begin()
    return stand


def send(context: Context, number: int = 1) -> list[UUID]:
    calls = [uuid4() for _ in range(number)]
    with acting_for(context):
        for call in calls:
            line.send(call)
    return calls


def take(stand: Stand, **more) -> Place | None:
    return stand.next(block=0.001, **more)


def test_a_call_comes_with_its_context_and_goes_when_it_has_ended(stand, client):
    (call,) = send(ACME)

    place = take(stand)

    assert place.read() == (call, ACME)
    assert not place.again
    assert take(stand) is None
    assert client.xlen(line.STREAM) == 1
    assert take(stand, ended=place) is None
    assert not list(client.scan_iter("msplex:{calls}:placed"))
    assert client.xlen(line.STREAM) == 0


def test_the_reply_goes_out_with_the_end(stand, client):
    send(ACME)
    channel = f"test-{uuid4()}"

    stand.next(ended=take(stand), reply=Reply(channel, b"sealed"))

    assert client.lrange(channel, 0, -1) == [b"sealed"]
    assert 0 < client.ttl(channel) <= 120
    assert client.xlen(line.STREAM) == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_a_flood_of_one_tenant_does_not_hold_up_another(stand, workers):
    """A thousand calls of one, then one of the other: it is begun among the next ten that any of the workers begins."""
    send(ACME, 1000)
    busy = [take(stand) for _ in range(workers)]
    (call,) = send(GLOBEX)

    begun_ = []
    for turn in range(10):
        busy[turn % workers] = take(stand, ended=busy[turn % workers])
        begun_.append(busy[turn % workers].read())

    assert (call, GLOBEX) in begun_


@pytest.mark.parametrize("workers", [1, 4])
def test_several_that_flood_take_turns(stand, workers):
    send(ACME, 100)
    send(GLOBEX, 100)
    busy = [take(stand) for _ in range(workers)]

    tenants = []
    for turn in range(100):
        busy[turn % workers] = take(stand, ended=busy[turn % workers])
        tenants.append(busy[turn % workers].read()[1].tenant)

    assert 40 <= tenants.count(GLOBEX.tenant) <= 60


def test_a_tenant_whose_vendor_is_slow_has_a_few_threads_and_no_more(stand):
    """None of its calls ends, so all that it takes is its places."""
    send(ACME, 50)
    while taken := take(stand):
        assert taken.read()[1] == ACME
        last = taken
    (call,) = send(GLOBEX)

    place = take(stand)
    assert place.read() == (call, GLOBEX)
    assert take(stand, ended=place) is None
    assert take(stand, ended=last).read()[1] == ACME


def test_calls_of_one_tenant_run_in_their_order(stand):
    calls = send(ACME, 30)

    place, seen = take(stand), []
    while place:
        seen.append(place.read()[0])
        place = take(stand, ended=place)

    assert seen == calls


def test_who_has_too_many_waiting_is_told_so_and_others_are_not(stand, monkeypatch):
    monkeypatch.setattr(turns, "MOST_WAITING", 10)
    send(ACME, turns.PLACES - 1 + 5)

    with pytest.raises(LineFull):
        send(ACME)
    send(GLOBEX)
    take(stand, ended=take(stand))
    send(ACME)


def test_the_call_of_a_broker_that_died_is_taken_over_and_marked(stand, client):
    (call,) = send(ACME)
    take(stand)
    other = begun("second")

    assert list(other.taken_over()) == []
    client.delete(line.ALIVE + "first")
    (place,) = other.taken_over()

    assert place.read() == (call, ACME)
    assert place.again
    assert list(other.taken_over()) == []
    take(other, ended=place)
    assert client.xlen(line.STREAM) == 0
    assert [consumer["name"] for consumer in client.xinfo_consumers(line.STREAM, line.GROUP)] == [b"second"]


def test_a_broker_that_is_alive_keeps_its_call(stand, client):
    send(ACME)
    take(stand)

    assert list(begun("second").taken_over()) == []
    assert client.xpending(line.STREAM, line.GROUP)["pending"] == 1


def test_a_call_that_was_taken_over_ends_once(stand, client):
    """Its first broker was not dead, only silent."""
    send(ACME, turns.PLACES + 2)
    first = take(stand)
    other = begun("second")
    client.delete(line.ALIVE + "first")
    (second,) = other.taken_over()

    stand.next(ended=first)
    other.next(ended=second)

    (customer,), one_less = ACME.customers, str(turns.PLACES - 1).encode()
    assert client.hgetall(line.PLACED) == {
        str(ACME.tenant).encode(): one_less, f"{ACME.tenant}:{customer}".encode(): one_less,
    }  # fmt: skip
    assert client.xlen(line.STREAM) == turns.PLACES - 1


def test_a_queue_that_came_back_empty_is_set_up_again(stand, client):
    send(ACME)
    place = take(stand)
    client.flushdb()
    client.script_flush()

    with pytest.raises(redis.RedisError):
        take(stand, ended=place)
    stand.begin()
    (call,) = send(ACME)

    assert take(stand, ended=place).read() == (call, ACME)


@pytest.mark.parametrize("change", ["call", "tenant", "customers", "mac", "noise", "line", "turn"])
def test_a_message_that_was_changed_is_not_read(stand, client, change):
    """Whoever writes to Redis chooses neither a tenant, nor a customer, nor another call for them."""
    send(ACME)
    place = take(stand)
    content = json.loads(place.message)
    match change:
        case "call":
            content["call"] = str(uuid4())
        case "tenant":
            content["header"]["context"][0] = str(GLOBEX.tenant)
        case "customers":
            content["header"]["context"][1] = None
        case "mac":
            content["header"]["mac"] = "0" * 64
        case "noise":
            content = []
    tenant = str(GLOBEX.tenant).encode() if change == "line" else place.tenant
    customer = str(GLOBEX.customers[0]).encode() if change == "turn" else place.customer

    with pytest.raises(TaskRefused):
        Place(place.entry, tenant, json.dumps(content).encode(), customer=customer).read()
