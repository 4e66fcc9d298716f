"""Agents call tools of a vendor that mixes clients, from the wrong tenant, and while the log cannot be written."""

import json
import time
import urllib.request
from typing import Any

import psycopg

from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.proof import expect
from msplex.runtime.world import World

LIST = "halopsa_list_tickets"
NORTHWIND, FABRIKAM, TAILSPIN = 0, 1, 2
EVERY_CUSTOMER, ONE_CUSTOMER = 0, 1
OWN_CLIENT = 11  # what the stub calls the one customer
REFUSED_WITHIN = 2.0


def narrowed_call(world: World) -> dict[str, Any]:
    """The vendor answers with three clients mixed together; the agent gets one customer's tickets and nothing else."""
    agent = Agent(world, NORTHWIND, ONE_CUSTOMER)
    tools, _ = agent.tools()
    expect(LIST in tools, f"the agent's list is {tools}")
    _stub(world, "mode", {"mode": "mix"})
    try:
        answer = agent.call(LIST, limit=50)
    finally:
        _stub(world, "mode", {"mode": "honest"})
    expect(answer.structured, f"no tickets: {answer.text}")
    tickets = answer.structured["tickets"]
    foreign = [ticket for ticket in tickets if ticket["client_id"] != OWN_CLIENT]
    marks = [mark for mark in ("MARK-12", "MARK-13", "MARK-21") if mark in answer.text]
    expect(tickets and not foreign and not marks, f"{len(tickets)} tickets, {len(foreign)} foreign, marks {marks}")
    return {"tools": tools, "tickets": len(tickets), "foreign_rows": len(foreign) + len(marks)}


def foreign_tenant(world: World) -> dict[str, Any]:
    """A tenant that connected nothing sees no tool and is told why; another's customers do not exist for it."""
    tools, why = Agent(world, TAILSPIN, EVERY_CUSTOMER).tools()
    expect(not tools and why.get("gate"), f"the foreign tenant's list is {tools}, its refusal {dict(why)}")
    customer = world.demo["tenants"][NORTHWIND]["customers"][0]
    stranger = Agent(world, FABRIKAM, EVERY_CUSTOMER)
    refusals = [stranger.call(LIST, customer=name).refusal for name in (customer["id"], customer["key"], "nobody")]
    codes = {refusal.get("code") for refusal in refusals}
    expect(codes == {"customer_not_in_scope"}, f"another tenant's customer answered {codes}")
    return {"tools": len(tools), "refusal": dict(why), "foreign_customer": codes.pop()}


def unwritable_log(world: World) -> dict[str, Any]:
    """While the audit log cannot be written nothing reaches the vendor, and the caller is told within two seconds."""
    agent = Agent(world, NORTHWIND, ONE_CUSTOMER)
    agent.call(LIST, limit=1)  # the vendor's token and the caches are warm: what is left is the call itself
    with psycopg.connect(world.installation.admin_url, dbname=world.installation.database) as connection:
        connection.execute("LOCK TABLE content.audit_event IN ACCESS EXCLUSIVE MODE")
        _stub(world, "reset", {})
        began = time.monotonic()
        refusal = agent.call(LIST, limit=1).refusal
        seconds = time.monotonic() - began
        requests = _requests(world)
    expect(refusal.get("code") == "audit_unavailable", f"the refusal is {dict(refusal)}")
    expect(requests == 0, f"{requests} requests reached the vendor")
    expect(seconds < REFUSED_WITHIN, f"the refusal took {seconds:.2f} s")
    expect(agent.call(LIST, limit=1).structured, "the next call, with the log writable, was not answered")
    return {"code": refusal["code"], "vendor_requests": requests, "seconds": round(seconds, 2)}


def _stub(world: World, command: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{world.vendor}/_stub/{command}", json.dumps(body).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310


def _requests(world: World) -> int:
    with urllib.request.urlopen(f"{world.vendor}/_stub/requests", timeout=5) as answer:  # noqa: S310
        return int(json.load(answer)["total"])


PROOFS = (narrowed_call, foreign_tenant, unwritable_log)
