"""Whose turn it is: the customers of one tenant, tenants of different weights, and many who ask at the same moment."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings

from billing.terms import MOST_WEIGHT
from msplex.dispatch import line, turns
from msplex.dispatch.line import LineFull, Place, Stand
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import signed_context

pytestmark = pytest.mark.xdist_group("line")  # one of them makes the server forget all scripts

TENANT, OTHER = uuid4(), uuid4()
ANVIL, BRICK, CEDAR = (Context(TENANT, (uuid4(),)) for _ in range(3))  # customers of one tenant
QUIET = Context(OTHER, (uuid4(),))
TURNS = 10


def send(context: Context, number: int = 1, *, weight: int = 1) -> list[UUID]:
    calls = [uuid4() for _ in range(number)]
    with acting_for(context):
        for call in calls:
            line.send(call, weight=weight)
    return calls


@dataclass
class Workers:
    """So many that each have one call, and take the next one when it has ended: in turns."""

    stand: Stand
    number: int
    busy: list[Place | None] = field(default_factory=list)

    def start(self) -> None:
        self.busy = [take(self.stand) for _ in range(self.number)]
        self._next = cycle(range(self.number))

    def begin(self, calls: int) -> Iterator[Context]:
        """Of the calls that are begun next, for whom."""
        for _ in range(calls):
            which = next(self._next)
            self.busy[which] = took = take(self.stand, ended=self.busy[which])
            if took is None:
                return
            yield took.read()[1]


def take(stand: Stand, **more: Place | None) -> Place | None:
    return stand.next(block=0.001, **more)


@pytest.fixture
def stand() -> Stand:
    stand = Stand("first")
    stand.begin()
    return stand


@pytest.fixture(params=[1, 4])
def workers(stand: Stand, request: pytest.FixtureRequest) -> Workers:
    return Workers(stand, request.param)


def test_a_flood_for_one_customer_does_not_hold_up_another_of_the_same_tenant(workers: Workers) -> None:
    send(ANVIL, 1000)
    workers.start()
    send(BRICK)

    assert BRICK in list(workers.begin(TURNS))


def test_nor_do_the_floods_of_several(workers: Workers) -> None:
    send(ANVIL, 500)
    send(CEDAR, 500)
    workers.start()
    send(BRICK)

    assert BRICK in list(workers.begin(TURNS + 2))  # each of them has a turn before it


def test_customers_that_flood_take_turns(workers: Workers) -> None:
    for context in (ANVIL, BRICK, CEDAR):
        send(context, 100)
    workers.start()
    list(workers.begin(turns.PLACES))  # who came first had the places while there was nobody else

    assert {context: number for context, number in Counter(workers.begin(60)).items() if number != 20} == {}


def test_a_customer_whose_vendor_hangs_leaves_a_place_to_the_others_of_its_tenant(stand: Stand) -> None:
    """None of its calls ends, and there are workers enough."""
    send(ANVIL, 50)
    hanging = []
    while taken := take(stand):
        hanging.append(taken)
    assert len(hanging) == turns.PLACES - 1
    calls = send(BRICK, 3)

    seen, last = [], None
    for _ in calls:
        last = take(stand, ended=last)
        seen.append(last.read())
    assert seen == [(call, BRICK) for call in calls]
    assert take(stand, ended=last) is None
    assert take(stand, ended=hanging[0]).read()[1] == ANVIL


def test_the_calls_of_a_customer_run_in_their_order(stand: Stand) -> None:
    sent = {context: send(context, 20) for context in (ANVIL, BRICK)}

    place, seen = take(stand), {ANVIL: [], BRICK: []}
    while place:
        call, context = place.read()
        seen[context].append(call)
        place = take(stand, ended=place)

    assert seen == sent


def test_a_flood_for_one_customer_does_not_fill_the_line_for_the_others(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_WAITING", 12)
    held = turns.PLACES - 1
    with pytest.raises(LineFull):
        send(ANVIL, held + 100)
    send(BRICK, 1)  # the last place
    with pytest.raises(LineFull):
        send(BRICK, 100)
    send(CEDAR)  # and there is always room for one that has nothing there

    waiting = int(redis.Redis.from_url(settings.REDIS_URL).hget(line.WAITING, str(TENANT)))
    assert 6 < waiting <= 12


def test_what_is_empty_leaves_nothing_behind(stand: Stand, client: redis.Redis) -> None:
    for context in (ANVIL, BRICK, CEDAR, QUIET):
        send(context, 30, weight=2)

    place = take(stand)
    while place:
        place = take(stand, ended=place)

    left = {key for key in client.scan_iter("msplex:{calls}:*") if not key.startswith(line.ALIVE.encode())}
    assert left == {line.STREAM.encode()}
    assert client.xlen(line.STREAM) == 0


def two_that_flood(workers: Workers, weight: int) -> tuple[Counter[UUID], list[Context]]:
    """Calls begun of a tenant of that weight and of one of the weight 1, each for two customers; both are at it."""
    light = [Context(OTHER, (uuid4(),)) for _ in range(2)]
    for context in (*light, *light):
        send(context, 120)
    for context in (ANVIL, BRICK, ANVIL, BRICK):
        send(context, 120, weight=weight)
    workers.start()
    list(workers.begin(60))  # until places are as they have to be
    return Counter(context.tenant for context in workers.begin(120)), light


def test_a_tenant_of_twice_the_weight_has_twice_the_places_of_another_that_floods(workers: Workers) -> None:
    begun, _ = two_that_flood(workers, weight=2)

    assert abs(begun[TENANT] - 80) <= 4
    assert abs(begun[OTHER] - 40) <= 4


def test_nobody_who_is_quiet_waits_longer_for_it(workers: Workers) -> None:
    """Beside a flood of the greatest weight as beside any other one."""
    send(ANVIL, 500, weight=MOST_WEIGHT)
    send(BRICK, 400, weight=MOST_WEIGHT)
    workers.start()
    list(workers.begin(30))
    send(QUIET)

    assert QUIET in list(workers.begin(TURNS))


def test_weights_count_only_while_somebody_of_them_waits(stand: Stand, client: redis.Redis) -> None:
    """A tenant that has paid for more, and has a call now and then, takes no place from anybody."""
    send(ANVIL, 1, weight=MOST_WEIGHT)
    other = [Context(OTHER, (uuid4(),)) for _ in range(2)]
    for context in other:
        send(context, 30)

    assert int(client.hget(line.PLACED, str(OTHER))) == turns.PLACES


def test_what_waited_before_customers_had_turns_is_run(stand: Stand, client: redis.Redis) -> None:
    """As the version before has left it: places held by entries without a customer, and one list of the tenant."""
    old = [uuid4() for _ in range(12)]
    messages = []
    with acting_for(ANVIL):
        for call in old:
            header = signed_context(line.NAME, [str(call)], {})
            messages.append(json.dumps({"call": str(call), "header": header}))
    for message in messages[: turns.PLACES]:
        client.xadd(line.STREAM, {"tenant": str(TENANT), "message": message})
    client.hset(line.PLACED, str(TENANT), turns.PLACES)
    client.rpush(line.LISTS + str(TENANT), *messages[turns.PLACES :])
    new = send(BRICK, 3)

    place, seen = take(stand), []
    while place:
        seen.append(place.read()[0])
        place = take(stand, ended=place)

    assert seen == [*old, *new]
    assert not client.exists(line.PLACED, line.WAITING)


def test_a_call_is_for_one_customer() -> None:
    for customers in ((), (uuid4(), uuid4()), None):
        with acting_for(Context(TENANT, customers)), pytest.raises(LookupError):
            line.send(uuid4())


def test_of_what_many_send_and_take_at_once_nothing_is_lost_and_nothing_comes_twice(client: redis.Redis) -> None:
    """32 senders for six customers of two tenants of different weights, and eight workers of two processes."""
    contexts = [Context(tenant, (uuid4(),)) for tenant in (TENANT, OTHER) for _ in range(3)]
    sent: list[UUID] = []
    seen: list[UUID] = []
    wrong: list[str] = []
    sending = threading.Event()

    def sender(number: int) -> None:
        context = contexts[number % len(contexts)]
        sent.extend(send(context, 40, weight=1 + (context.tenant == TENANT)))

    def worker(stand: Stand) -> None:
        ended, last = None, time.monotonic()
        while not sending.is_set() or time.monotonic() - last < 1:
            ended = stand.next(ended=ended, block=0.05)
            if ended:
                call, context = ended.read()
                seen.append(call)
                last = time.monotonic()
                held = int(client.hget(line.PLACED, f"{context.tenant}:{context.customers[0]}") or 0)
                if held > turns.PLACES - 1:
                    wrong.append(f"{held} places of one customer")
        stand.hang_up()

    stands = [Stand("first"), Stand("second")]
    for stand in stands:
        stand.begin()
    workers = [threading.Thread(target=worker, args=[stand]) for stand in stands for _ in range(4)]
    senders = [threading.Thread(target=sender, args=[number]) for number in range(32)]
    for thread in (*workers, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    sending.set()
    for thread in workers:
        thread.join()

    assert wrong == []
    assert len(seen) == len(sent) == 32 * 40
    assert sorted(seen) == sorted(sent)
    assert client.xlen(line.STREAM) == 0
    assert not client.exists(line.PLACED, line.WAITING, line.HEAVY)
