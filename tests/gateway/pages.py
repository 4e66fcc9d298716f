"""Walking through the pages of tools/list, in this process."""

import asyncio

from msplex.gateway import answers
from msplex.gateway.callers import Caller
from msplex.gateway.handlers import Handlers
from msplex.gateway.replies import Replies
from tests.gateway.door import in_a_thread


def walk(caller: Caller) -> list[tuple[list[str], str]]:
    """Names and cache scope of each page."""
    return in_a_thread(asyncio.run, _walk(caller))


async def _walk(caller: Caller) -> list[tuple[list[str], str]]:
    handlers, pages, cursor = Handlers(Replies()), [], None
    while not pages or cursor:
        shown = answers.listed(await handlers.tools(caller, cursor))
        pages.append(([tool["name"] for tool in shown["tools"]], shown["cacheScope"]))
        cursor = shown.get("nextCursor")
    return pages
