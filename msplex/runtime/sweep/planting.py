"""A person connects every vendor in the portal, with credentials that exist nowhere else."""

import re
import time
from dataclasses import dataclass
from typing import Any

from connectors.stub.world import NORTHWIND
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.browser import Page
from msplex.runtime.smoke.proof import expect
from msplex.runtime.sweep.doors import Watched
from msplex.runtime.sweep.vendors import StandIn
from msplex.runtime.world import World

_HEALTHY_WITHIN = 60.0
_INSTANCE = re.compile(r"/connectors/([0-9a-f-]{36})/")


@dataclass(frozen=True)
class Planted:
    stand_in: StandIn
    page: str  # the address of the connection's page
    slug: str  # what its tools begin with


def plant(browser: Watched, world: World, stand_in: StandIn, auditor: Agent, *, name: str) -> Planted:
    vendor = stand_in.vendor
    start = browser.get(f"{world.portal}/connectors/new/{vendor.key}/")
    page = browser.submit(start, name=f"{name} {vendor.key}")
    found = _INSTANCE.search(page.address)
    expect(found, f"{vendor.key} was not begun: {page.address} answered {page.status}")
    address = page.address
    page = configure(browser, page, stand_in)
    _await(browser, address, "/activate/")
    customers = world.demo["tenants"][0]["customers"]
    for customer, client in zip(customers, NORTHWIND, strict=True):
        values = {"customer": customer["id"], "external_id": vendor.external_id(client)}
        browser.submit(browser.get(f"{address.rstrip('/')}/clients/"), to="/customers/", **values)
    browser.submit(browser.get(address), to="/activate/")
    api = f"/api/v1/connector-instances/{found.group(1) if found else ''}/"
    told = auditor.api(api)
    if vendor.fenced:
        _enter_own(browser, address, stand_in, auditor.api(f"{api}mappings/"), customers[0]["id"])
    return Planted(stand_in, address, told["slug"])


def configure(browser: Watched, page: Page, stand_in: StandIn) -> Page:
    """Settings and credential, as typed. Also when it fails: the page that says so is an answer like any other."""
    vendor = stand_in.vendor
    values = {**vendor.typed, "base_url": stand_in.url, "request_limit": "100000", vendor.secret: stand_in.canary}
    return browser.submit(page, to="configure/", **values)


def _enter_own(browser: Watched, address: str, stand_in: StandIn, mappings: Any, customer: str) -> None:
    """A key of one company, for the customer that the calls are for."""
    mapping = next(each["id"] for each in mappings if each["customer"] == customer)
    page = f"{address.rstrip('/')}/customers/{mapping}/credential/"
    browser.submit(browser.get(page), **{stand_in.vendor.secret: stand_in.own_canary})
    _await(browser, page, "being checked", gone=True)


def _await(browser: Watched, address: str, word: str, *, gone: bool = False) -> None:
    deadline = time.monotonic() + _HEALTHY_WITHIN
    while (word in browser.get(address).text) is gone:
        expect(time.monotonic() < deadline, f"{address} was not healthy within {_HEALTHY_WITHIN:.0f} s")
        time.sleep(0.3)
