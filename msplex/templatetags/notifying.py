"""What pages say of notifications."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.notifications.links import path_of
from approvals.notifications.models import Notification, Severity
from msplex.portal.requests import PortalRequest
from msplex.portal.waiting import NOTIFICATIONS, numbers_of

register = template.Library()
TONES = {Severity.INFO: "quiet", Severity.WARNING: "warn", Severity.CRITICAL: "bad"}


@register.simple_tag(takes_context=True)
def waiting_number(context: template.Context) -> int:
    """How many wait for who looks at the page."""
    request: PortalRequest = context["request"]
    return numbers_of(request).get(NOTIFICATIONS, 0)


@register.simple_tag
def told_severity(notification: Notification) -> SafeString:
    tone = TONES[Severity(notification.severity)]
    return format_html('<span class="badge badge-{}">{}</span>', tone, notification.get_severity_display())


@register.filter
def place_of(notification: Notification) -> str:
    return path_of(notification)
