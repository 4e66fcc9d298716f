"""E-mail goes through identity's own queue, which tries for hours (identity.services.mail)."""

from approvals.notifications.links import url_of
from approvals.notifications.models import Delivery
from identity.services.mail import send_mail_on_commit
from tenants.selectors import tenant


def hand_over(delivery: Delivery, address: str) -> None:
    """In the transaction that says it is handed over: it is there once, or neither is."""
    told = delivery.notification
    words = {
        "workspace": tenant().name,
        "headline": f"Still open: {told.title}" if delivery.round else told.title,
        "text": told.text,
        "address": url_of(told),
    }
    send_mail_on_commit("notification", address, words, customer_id=told.customer_id)
