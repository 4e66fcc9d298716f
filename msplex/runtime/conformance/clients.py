"""Clients that people have: the inspector's command line and the TypeScript SDK, at the gateway of production."""

import json
from collections.abc import Mapping
from typing import Any

from msplex.runtime.conformance.node import INSPECTOR, node, run
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.world import World

SECONDS = 60
TOOL = "halopsa_list_tickets"
TYPESCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const transport = new StreamableHTTPClientTransport(new URL(process.env.GATEWAY), { requestInit: { headers } });
const client = new Client({ name: "conformance", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const good = await client.callTool({ name: process.env.TOOL, arguments: { limit: 1 } });
const bad = await client.callTool({ name: process.env.TOOL, arguments: { customer: "nobody" } });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), good, bad }));
"""


def talk(place: World) -> dict[str, Mapping[str, Any]]:
    token = Agent(place, 0, 1).token()
    spoken = {f"inspector {era}": _inspector(place, token, era) for era in ("modern", "legacy")}
    return spoken | {"typescript sdk": _typescript(place, token)}


def _inspector(place: World, token: str, era: str) -> Mapping[str, Any]:
    asked = (
        "--cli", place.gateway, "--transport", "http", "--protocol-era", era, "--format", "json",
        "--header", f"Authorization: Bearer {token}", "--method",
    )  # fmt: skip
    listed = run(node(INSPECTOR, *asked, "tools/list"), seconds=SECONDS)
    call = ("tools/call", "--tool-name", TOOL, "--tool-arg", "limit=1")
    called = run(node(INSPECTOR, *asked, *call), seconds=SECONDS)
    ok = not listed[0] and not called[0] and f'"{TOOL}"' in listed[1] and "structuredContent" in called[1]
    return {"ok": ok, **({} if ok else {"said": [listed[1][-600:], called[1][-600:]]})}


def _typescript(place: World, token: str) -> Mapping[str, Any]:
    environment = {"TOKEN": token, "GATEWAY": place.gateway, "TOOL": TOOL}
    code, said = run(node("--input-type=module", "-e", TYPESCRIPT), seconds=SECONDS, environment=environment)
    if code:
        return {"ok": False, "said": said[-600:]}
    told = json.loads(said.strip().splitlines()[-1])
    refusal = told["bad"].get("_meta", {}).get("io.msplex/refusal", {}).get("code")
    ok = TOOL in told["tools"] and told["good"]["structuredContent"]["count"] == 1
    ok = ok and refusal == "customer_not_in_scope"
    return {"ok": ok, "tools": len(told["tools"]), "refusal": refusal}
