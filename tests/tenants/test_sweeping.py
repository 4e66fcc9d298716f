"""A sweep comes to every tenant, whatever is wrong with one of them."""

import logging
from uuid import UUID

import pytest
from django.db import connection

from tenants.isolation.context import acting_tenant, current
from tenants.sweeping import for_each_tenant
from tests.conftest import as_role
from tests.factories import make_tenant


def test_one_tenants_trouble_keeps_no_other_from_being_swept(caplog: pytest.LogCaptureFixture) -> None:
    worlds = [make_tenant() for _ in range(3)]
    ill, swept = worlds[1].id, list[UUID]()

    def work(_now: object) -> None:
        assert not connection.in_atomic_block
        if acting_tenant() == ill:
            raise RuntimeError("ill")
        swept.append(acting_tenant())

    with as_role("worker"), caplog.at_level(logging.ERROR):
        for_each_tenant(work)

    assert {worlds[0].id, worlds[2].id} <= set(swept)
    assert ill not in swept
    assert current() is None
    assert [record.args for record in caplog.records if record.name == "tenants.sweeping"] == [(ill,)]
