"""A first call with the official MCP client: python -m msplex.gateway.try_it URL TOKEN [TOOL]."""

import asyncio
import sys

import httpx2
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, name: str = "halopsa_list_tickets") -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(url, http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = await session.list_tools()
        print("tools:", ", ".join(tool.name for tool in tools.tools))
        result = await session.call_tool(name, {"limit": 3})
        for block in result.content:
            print(getattr(block, "text", block))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
