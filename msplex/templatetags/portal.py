"""What the portal's pages say the same way everywhere: states, moments, places."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from approvals.models import ApprovalRequest, ToolRule
from approvals.showing import is_late
from audit.alerts import HEADLINES, REMEDIES, AlertKind
from audit.models import Event, Pack
from billing.models import ExportFile
from connectors.catalogue import find
from connectors.models import Signal
from identity.models import Principal, ServiceAccount, ServiceAccountKey, ServiceAccountSecret
from identity.permissions import Permission
from identity.roles import ROLES, Role
from msplex.portal.event_words import words_of
from msplex.portal.gates import LABELS
from msplex.portal.places import Group, places_of
from msplex.portal.policy_words import about, does, needs
from msplex.portal.requests import PortalRequest
from tenants.selectors import tenant

register = template.Library()
TEN_SECONDS = 10
A_MILLISECOND = 0.001

TONES = {
    "accepted": "good",
    "acknowledged": "quiet",
    "active": "good",
    "approved": "good",
    "healthy": "good",
    "passed": "good",
    "executed": "good",
    "rejected": "bad",
    "outcome_unknown": "warn",
    "executing": "note",
    "withdrawn": "quiet",
    "succeeded": "good",
    "degraded": "warn",
    "expired": "warn",
    "held": "good",
    "used": "note",
    "revoked": "bad",
    "waiting": "note",
    "received": "note",
    "settled": "good",
    "unknown": "warn",
    "trialing": "warn",
    "past_due": "warn",
    "failed": "bad",
    "failing": "bad",
    "refused": "bad",
    "disabled": "quiet",
    "changed": "bad",
    "draft": "note",
    "exposed": "good",
    "credential_expired": "bad",
    "not_entitled": "bad",
    "paused": "warn",
    "ready": "note",
    "unhealthy": "bad",
    "validating": "note",
    "open": "bad",
    "pending": "note",
    "queued": "note",
    "running": "note",
}
LABELS_OF_STATES = {"unknown": "unknown", "past_due": "past due"}


@register.filter
def places(request: PortalRequest) -> Iterator[Group]:
    return places_of(request)


@register.simple_tag(takes_context=True)
def may(context: template.Context, permission: str) -> bool:
    request: PortalRequest = context["request"]
    return request.principal.allows(Permission(permission))


@register.simple_tag(takes_context=True)
def sees_every_customer(context: template.Context) -> bool:
    """What was withheld is about other customers: even its number is for those who see them all."""
    request: PortalRequest = context["request"]
    return request.principal.scope() is None


@register.simple_tag
def state(value: str, label: str = "") -> SafeString:
    text = label or LABELS_OF_STATES.get(value, value.replace("_", " "))
    return format_html('<span class="badge badge-{}">{}</span>', TONES.get(value, "quiet"), text.capitalize())


@register.simple_tag
def approval_state(request: ApprovalRequest) -> SafeString:
    """One whose clock has run out is over, whether or not the sweep has been there."""
    return state("expired") if is_late(request) else state(request.state, request.get_state_display())


@register.simple_tag
def event_result(value: str) -> SafeString:
    return state({"ok": "succeeded"}.get(value, value), {"ok": "Done"}.get(value, value))


@register.filter
def named(names: Mapping[UUID, str], key: UUID | None) -> str:
    """Of what the reader may see; nothing for the rest."""
    return names.get(key, "") if key else ""


@register.simple_tag
def severity(value: str) -> SafeString:
    return format_html('<span class="badge badge-{}">{}</span>', {"high": "bad"}.get(value, "warn"), value.capitalize())


@register.simple_tag
def signal_severity(signal: Signal) -> SafeString:
    tones = {Signal.Severity.CRITICAL: "bad", Signal.Severity.HIGH: "bad", Signal.Severity.MEDIUM: "warn"}
    tone = tones.get(Signal.Severity(signal.severity), "quiet")
    return format_html('<span class="badge badge-{}">{}</span>', tone, signal.get_severity_display())


@register.filter
def headline(kind: str) -> str:
    return HEADLINES.get(AlertKind(kind), kind) if kind in set(AlertKind) else kind


@register.filter
def remedy(kind: str) -> str:
    return REMEDIES[AlertKind(kind)] if kind in set(AlertKind) else ""


@register.simple_tag
def health(value: str) -> SafeString:
    return state(value, {"unknown": "Not checked"}.get(value, value))


@register.simple_tag
def risk(value: str) -> SafeString:
    tone = {"read": "quiet", "write": "warn", "destructive": "bad"}[value]
    return format_html('<span class="badge badge-{}">{}</span>', tone, value.capitalize())


@register.simple_tag
def pack_state(pack: Pack) -> SafeString:
    tones = {Pack.State.READY: "succeeded", Pack.State.FAILED: "failed"}
    return state(tones.get(Pack.State(pack.state), "queued"), pack.get_state_display())


@register.simple_tag
def file_state(file: ExportFile) -> SafeString:
    tones = {ExportFile.State.READY: "succeeded", ExportFile.State.FAILED: "failed"}
    return state(tones.get(ExportFile.State(file.state), "queued"), file.get_state_display())


@register.simple_tag
def principal_state(principal: Principal) -> SafeString:
    return state("disabled") if principal.disabled_at else state("active")


@register.simple_tag
def workspace() -> str:
    return tenant().name


@register.filter
def connector_name(key: str) -> str:
    entry = find(key)
    return entry.name if entry else key


@register.filter
def gate_label(key: str) -> str:
    return LABELS.get(key, key)


@register.filter
def factor_label(key: str) -> str:
    return {"totp": "Authenticator app", "recovery_code": "Recovery code", "passkey": "Passkey"}.get(key, key)


@register.filter
def role_label(key: str) -> str:
    return ROLES[Role(key)].label if key in set(Role) else key


@register.filter
def moment(value: datetime | None) -> str | SafeString:
    """To the second, in UTC, as an operator compares it with a log."""
    if value is None:
        return "never"
    utc = value.astimezone(timezone.get_default_timezone())
    return format_html('<time datetime="{}">{}</time>', utc.isoformat(), utc.strftime("%-d %b %Y, %H:%M:%S UTC"))


@register.filter
def day(value: datetime | None) -> str | SafeString:
    if value is None:
        return "never"
    utc = value.astimezone(timezone.get_default_timezone())
    return format_html('<time datetime="{}">{}</time>', utc.isoformat(), utc.strftime("%-d %b %Y"))


@register.filter
def ago(value: datetime | None) -> str | SafeString:
    if value is None:
        return "never"
    apart = timesince(value).split(",")[0].replace("\xa0", " ")
    words = "just now" if apart.startswith("0 ") else f"{apart} ago"
    exact = value.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', exact.isoformat(), exact.strftime("%-d %b %Y, %H:%M:%S UTC"), words
    )


@register.filter
def minutes(value: int) -> str:
    hours, rest = divmod(value, 60)
    return f"{value} minutes" if rest or hours <= 1 else f"{hours} hours"


@register.filter
def words(value: str) -> str:
    """A name of the code, as people write it."""
    return value.replace("_", " ").capitalize()


@register.filter
def at_most(value: int, most: int) -> str:
    return str(value) if value <= most else f"{most}+"


@register.filter
def grouped(value: int) -> str:
    return f"{value:,}"


@register.filter
def took(call: object) -> str:
    """How long a call ran, from being recorded to its end."""
    started, finished = getattr(call, "created_at", None), getattr(call, "finished_at", None)
    if started is None or finished is None:
        return ""
    return milliseconds(finished - started)


@register.filter
def milliseconds(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < A_MILLISECOND:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds * 1000:,.0f} ms" if seconds < TEN_SECONDS else f"{seconds:,.1f} s"


@register.simple_tag
def until(value: datetime | None) -> str | SafeString:
    """When a role ends, and whether it has."""
    if value is None:
        return "No end"
    return format_html("{} {}", day(value), state("disabled", "ended")) if value <= timezone.now() else day(value)


@register.filter
def field_label(name: str) -> str:
    return name.replace("_", " ").capitalize()


@register.simple_tag
def account_state(account: ServiceAccount) -> SafeString:
    """With what a person has to look at."""
    shown = state("failed", "locked") if account.locked_at else principal_state(account.principal)
    if account.owner.principal.is_disabled:
        return format_html("{} {}", shown, state("degraded", "owner disabled"))
    return shown


@register.simple_tag
def secret_state(secret: ServiceAccountSecret) -> SafeString:
    live = secret.state in {"current", "previous"} and secret.expires_at > timezone.now()
    if secret.state in {"current", "previous"}:
        return (
            state("active", "current" if secret.state == "current" else "until the overlap ends")
            if live
            else state("disabled", "ended")
        )
    return state("disabled", secret.state)


@register.simple_tag
def key_state(key: ServiceAccountKey) -> SafeString:
    if key.revoked_at is not None:
        return state("disabled", "revoked")
    return state("active", "good") if key.expires_at > timezone.now() else state("disabled", "ended")


@register.filter
def said(event: Event) -> str:
    """What was done, in a person's words."""
    return words_of(event.kind)


@register.filter
def said_of(kind: str) -> str:
    return words_of(kind)


@register.filter
def details(event: Event) -> str:
    """From what to what, which role, and why."""
    told = event.facts
    parts = _changes(told.get("before"), told.get("after"))
    if role := told.get("role"):
        parts.append(role_label(role))
    if method := told.get("method"):
        parts.append(str(method))
    if reason := told.get("reason"):
        parts.append(f"reason: {reason}")
    return ", ".join(parts)


def _changes(before: object, after: object) -> list[str]:
    """By field; a single value, such as a state, is told without a name."""
    if isinstance(after, dict):
        was = before if isinstance(before, dict) else {}
        return [f"{name} from {was.get(name) or 'nothing'} to {value}" for name, value in after.items()]
    return [f"from {before or 'nothing'} to {after}"] if after else []


@register.filter
def rule_about(row: ToolRule) -> str:
    return about(row)


@register.filter
def rule_does(row: ToolRule) -> str:
    return does(row)


@register.filter("needs")
def approvers_needed(approvers: int) -> str:
    return needs(approvers)
