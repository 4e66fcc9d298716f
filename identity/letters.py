"""A message as it goes out: the words from templates/mail/<name>.txt, in plain text and as simple HTML."""

import dataclasses
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from identity.models import Mail


@dataclasses.dataclass(frozen=True, slots=True)
class Letter:
    """The first line of the template is the subject; paragraphs follow, the link alone in its own."""

    subject: str
    paragraphs: tuple[str, ...]


def read_letter(template: str, context: dict[str, Any]) -> Letter:
    """Names that people chose are put on one line, so that nobody writes paragraphs or headers of their own."""
    plain = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in context.items()}
    subject, _, body = render_to_string(f"mail/{template}.txt", plain).strip().partition("\n")
    paragraphs = (" ".join(paragraph.split()) for paragraph in body.split("\n\n"))
    return Letter(subject.strip(), tuple(paragraph for paragraph in paragraphs if paragraph))


def message_of(mail: Mail, url: str) -> EmailMultiAlternatives:
    letter = read_letter(mail.template, mail.context | {"link": url})
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body="\n\n".join(letter.paragraphs) + "\n",
        to=[mail.recipient],
        # The same at every try, so that a mailbox can tell a second copy from a second message.
        headers={"Message-ID": f"<{mail.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("mail/letter.html", {"letter": letter, "link": url}), "text/html")
    return message
