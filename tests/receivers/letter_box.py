"""A mail server: aiosmtpd with STARTTLS and AUTH. What it takes is on its disk before it says so.

`python -m tests.receivers.letter_box FOLDER PORT`. The folder has its certificate, key, and `orders`: what is to happen
to the next letters, a word a line: `later` (451), `die_before` and `die_after` it is kept, `die_done`: it has said so.
"""

# ruff: noqa: ARG002, N802 -- the library names what it calls us with
import asyncio
import json
import os
import signal
import ssl
import sys
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = b"msplex", b"open sesame"


class LetterBox:
    """No mailbox is called `nobody`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]) -> str:
        if to.startswith("nobody@"):
            return "550 5.1.1 No such mailbox"
        if self._is_ordered("later"):
            return "451 4.7.1 Try again later"
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._is_ordered("die_before"):
            _die()
        self._keep(session, envelope)
        if self._is_ordered("die_after"):
            _die()
        return "250 2.0.0 Kept"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._is_ordered("die_done"):
            _die()
        return "221 2.0.0 Bye"

    def _is_ordered(self, word: str) -> bool:
        """Each order is carried out once, also by the process that comes after the one that died of it."""
        orders = self.folder / "orders"
        waiting = orders.read_text().split() if orders.exists() else []
        if waiting[:1] != [word]:
            return False
        orders.write_text("\n".join(waiting[1:]))
        return True

    def _keep(self, session: Session, envelope: Envelope) -> None:
        kept = {
            "to": envelope.rcpt_tos,
            "sender": envelope.mail_from,
            "encrypted": session.ssl is not None,
            "letter": envelope.content.decode("ascii", "surrogateescape"),
        }
        with (self.folder / "kept").open("a") as file:
            file.write(json.dumps(kept) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
    return AuthResult(
        success=(given.login, given.password) == (USER, PASSWORD), handled=False
    )  # 535 is still to be said


def protocol(folder: Path) -> SMTP:
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return SMTP(
        LetterBox(folder),
        hostname="mail.example",
        tls_context=certificate,
        require_starttls=True,
        auth_required=True,
        authenticator=_knows,
    )


async def serve(folder: Path, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(partial(protocol, folder), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
