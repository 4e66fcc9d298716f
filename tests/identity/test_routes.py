"""Every address of identity's API: what is another tenant's is as unknown as what does not exist."""

import math
import random
import re
import statistics
import time
from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from identity.roles import Role
from tenants.ids import uuid7
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_person
from tests.identity.rooms import DETAILS, OBJECTS, PLACES, ROUTES, Route, answer

pytestmark = pytest.mark.usefixtures("whole_portal")
MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:[^']*'::timestamptz")  # by which a session is looked up
MALFORMED = ["x", "-" * 36, "0" * 36, "g" * 8 + str(uuid7())[8:], "é", "\0", "x" * 3000, "' OR '1'='1"]
PAIRS, LOUDEST, TIMES = 60, 1.2, 4


def test_the_walk_meets_the_rooms() -> None:
    assert {route.room for route in ROUTES} == OBJECTS.keys()
    assert len(DETAILS) >= 12


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def globex() -> TenantWorld:
    return make_tenant("globex")


@pytest.fixture
def api(acme: TenantWorld) -> Browser:
    return make_person(acme, Role.ADMIN).browser()  # what needs a second factor is not for machines


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_foreign_id_in_an_address_is_as_unknown_as_none(
    route: Route, key: str, api: Browser, acme: TenantWorld, globex: TenantWorld
) -> None:
    own, foreign = route.objects(acme), route.objects(globex)

    def ask(**changed: object) -> tuple[tuple[int, bytes, dict[str, str]], list[str]]:
        ids = own | changed
        with CaptureQueriesContext(connection) as queries:
            response = route.ask(api, ids)
        sql = [query["sql"] for query in queries.captured_queries]
        return answer(response), [_without(text, *ids.values()) for text in sql]

    unknown = ask(**{key: uuid7()})
    assert unknown[0][0] == 404
    assert ask(**{key: foreign[key]}) == unknown
    if len(route.ids) > 1:
        assert ask(**{name: foreign[name] for name in route.ids})[0] == unknown[0]
    assert ask()[0][0] < 400  # the object that is one's own is there


def _without(sql: str, *ids: object) -> str:
    for identifier in ids:
        for text in (str(identifier), identifier.hex if isinstance(identifier, UUID) else str(identifier)):
            sql = sql.replace(text, "ID")
    return MOMENT.sub("MOMENT", sql)


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_malformed_id_in_an_address_is_unknown(route: Route, key: str, api: Browser, acme: TenantWorld) -> None:
    own = route.objects(acme)
    mark = str(uuid7())
    path = reverse(route.name, urlconf="msplex.urls", kwargs={name: str(own[name]) for name in route.ids} | {key: mark})

    answers = {bad: route.ask_path(api, path.replace(mark, quote(bad, safe=""))) for bad in MALFORMED}

    assert {bad: response.status_code for bad, response in answers.items()} == dict.fromkeys(MALFORMED, 404)
    bodies = {(response.content, response["Content-Type"]) for response in answers.values()}
    unknown = route.ask_path(api, path)
    assert bodies == {(unknown.content, unknown["Content-Type"])}


@pytest.mark.parametrize(("route", "key"), PLACES)
def test_a_foreign_id_takes_as_long_as_an_unknown_one(
    route: Route, key: str, api: Browser, acme: TenantWorld, globex: TenantWorld
) -> None:
    """Both of a pair at once, in random order, so that whatever else the machine does meets both alike.

    Noise passes when looked at again, and longer; what tells the two apart does not.
    """
    own, foreign = route.objects(acme), route.objects(globex)

    def seconds(identifier: object) -> float:
        started = time.perf_counter()
        route.ask(api, own | {key: identifier})
        return time.perf_counter() - started

    ratios = []
    for pairs in [PAIRS * 2**again for again in range(TIMES)]:
        ratios.append(_ratio(seconds, foreign[key], pairs))
        if 1 / LOUDEST < ratios[-1] < LOUDEST:
            return
    pytest.fail(f"{route}: a foreign {key} takes {ratios} times as long as an unknown one")


def _ratio(seconds: Callable[[object], float], foreign: object, pairs: int) -> float:
    """The typical ratio within a pair: one slow request spoils one pair, not the result."""
    logs = []
    for _ in range(pairs):
        order = [(0, foreign), (1, uuid7())]
        random.shuffle(order)
        taken = {which: seconds(identifier) for which, identifier in order}
        logs.append(math.log(taken[0] / taken[1]))
    return math.exp(statistics.median(logs))
