"""The broker's part of progress: what a call says of its way goes to the gateway process that waits, like its reply.

Only of calls whose row says so, because their clients asked; each message is sealed for that process and that call.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.models import ToolCall
from connectors.telling import listening
from msplex import replies
from msplex.replies import Reply

MARK = "~"  # behind the name of the waiting process, in `reply_to`
PROGRESS = "progress"
MOST = 50  # messages of one call


def marked(name: str) -> str:
    return name + MARK


@contextmanager
def telling(call: ToolCall) -> Iterator[None]:
    """What is said in this block is passed on, where somebody wants to hear it."""
    if not call.reply_to.endswith(MARK):
        yield
        return
    said = 0

    def pass_on(text: str) -> None:
        nonlocal said
        said += 1
        if said <= MOST:
            replies.deliver(_message(call, text))

    with listening(pass_on):
        yield


def _message(call: ToolCall, text: str) -> Reply:
    told = {PROGRESS: text}
    sealed = replies.seal(told, public_key=bytes(call.reply_key), tenant=call.tenant_id, call=call.id)
    return Reply(replies.channel(call.reply_to), sealed)
