"""ntfy, by its publishing API: JSON, posted to the server's own address. The topic is the person's own."""

import json

from approvals.notifications.channels.posting import Outcome, post
from approvals.notifications.links import url_of
from approvals.notifications.models import Delivery, Severity
from connectors.secret import Secret

# 3 is usual; 4 vibrates for longer; 5 is shown above what is open.
PRIORITIES = {Severity.INFO: 3, Severity.WARNING: 4, Severity.CRITICAL: 5}


def send_ntfy(delivery: Delivery, server: str, topic: str, token: Secret | None = None) -> Outcome:
    """From ntfy 2.16 on, a second copy takes the place of the first (`sequence_id`)."""
    told = delivery.notification
    message = {
        "topic": topic,
        "title": _title(delivery),
        "message": told.text,
        "priority": PRIORITIES[Severity(told.severity)],
        "click": url_of(told, card=True),
        "sequence_id": delivery.pk.hex,
    }
    headers = {"Authorization": Secret(f"Bearer {token.reveal_text()}")} if token else None
    return post(server, json.dumps(message).encode(), headers)


def _title(delivery: Delivery) -> str:
    return f"Still open: {delivery.notification.title}" if delivery.round else delivery.notification.title
