"""The tenant's own webhook: JSON, signed (Standard Webhooks). `webhook-id` is the same at every try."""

import json
from datetime import UTC, datetime

from approvals.notifications.channels.posting import Outcome, post
from approvals.notifications.links import url_of
from approvals.notifications.models import Delivery, NotificationChannels
from approvals.notifications.signing import mark_of, secret_of, signed_headers


def send_webhook(delivery: Delivery, to: NotificationChannels) -> Outcome:
    secret = secret_of(delivery.tenant_id, to.webhook_generation)
    if mark_of(secret) != to.webhook_mark:
        return Outcome("secret_replaced")  # the receiver could not believe it
    now, body = datetime.now(UTC), body_of(delivery)
    return post(to.webhook_url, body, signed_headers(secret, f"msg_{delivery.pk.hex}", now, body))


def body_of(delivery: Delivery) -> bytes:
    """The same bytes at every try."""
    told = delivery.notification
    data = {
        "id": str(told.pk),
        "kind": told.kind,
        "severity": told.severity,
        "key": told.key,
        "title": told.title,
        "text": told.text,
        "customer": str(told.customer_id) if told.customer_id else None,
        "first_at": told.first_at.isoformat(),
        "link": url_of(told),
    }
    kind = "notification.escalated" if delivery.round else "notification.created"
    message = {"type": kind, "timestamp": delivery.created_at.isoformat(), "data": data}
    return json.dumps(message, sort_keys=True, separators=(",", ":")).encode()
