"""The gateway as it is, with the suite's fixtures beside its own tools: `make conformance` serves this."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
django.setup()

from msplex.gateway.door import Application  # noqa: E402 - the apps come first
from tests.conformance.server import refuse_production, with_fixtures  # noqa: E402


class Conformance(Application):
    """The door of production. Fixtures are the SDK's to answer: there is nothing plain about them."""

    def __init__(self) -> None:
        refuse_production()
        super().__init__(with_fixtures)
        self._express.answer = self._left_to_the_sdk  # type: ignore[method-assign]

    async def _left_to_the_sdk(self, scope, receive, send, caller):  # type: ignore[no-untyped-def]
        return receive

    def streams(self, body: bytes, *who: object) -> bool:
        """The suite also asks the handshake revision for logs, which our own tools never send, and asks automation."""
        return super().streams(body, *who) or b'"tools/call"' in body  # type: ignore[arg-type]


application = Conformance()
