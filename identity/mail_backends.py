"""Where messages go when there is no mail server: on the terminal in the demo, nowhere in production."""

import sys
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class TerminalBackend(BaseEmailBackend):
    """The plain text only, and past Celery's logging: a link stands on a line of its own and can be clicked."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            lines = [f"E-mail to {', '.join(message.to)}: {message.subject}", *str(message.body).splitlines()]
            if stream := sys.__stderr__:
                stream.write("\n".join(line for line in lines if line) + "\n")
                stream.flush()
        return len(email_messages)


class NoServer(OSError):
    def __init__(self) -> None:
        super().__init__("No mail server is set: give the worker MSPLEX_EMAIL_URL.")


class MissingBackend(BaseEmailBackend):
    """Production without a server: links with power do not end up in logs."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:  # noqa: ARG002
        raise NoServer
