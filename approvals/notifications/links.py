"""Where a notification leads. A link opens a page of the portal, which asks who it is: it is no power of any kind."""

from uuid import UUID

from django.conf import settings

from approvals.notifications.declared import Place
from approvals.notifications.models import Notification

_LISTS = {Place.APPROVAL: "/approvals/", Place.ALERT: "/alerts/"}


def path_of(notification: Notification) -> str:
    return _path(Place(notification.place), notification.place_id)


def url_of(notification: Notification, *, card: bool = False) -> str:
    """For what is read outside the portal. `card`: the page for phones, where there is one."""
    has_card = card and notification.place == Place.APPROVAL and notification.place_id
    return f"{settings.PUBLIC_URL}{path_of(notification)}{'card/' if has_card else ''}"


def _path(place: Place, about: UUID | None) -> str:
    return f"{_LISTS[place]}{about}/" if about else _LISTS[place]
