"""The second factor again, for what needs a recent one; then what was interrupted is shown, and sent by the person."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from identity.errors import CodeRefused, PasskeyRefused
from identity.forms import CodeForm
from identity.interrupted import Interrupted, look, take
from identity.permissions import Permission
from identity.responses import committed
from identity.selectors import passkeys_of
from identity.services.step_up import confirm, confirm_passkey
from identity.sessions import TenantSession
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import mend
from msplex.portal.requests import PortalRequest
from msplex.portal.security_forms import NO_ANSWER, PasskeyForm

VERBS = {
    "authenticator": "Change the authenticator app",
    "bind": "Give a role",
    "codes": "Make new recovery codes",
    "disable": "Disable",
    "email": "Change the email address",
    "enable": "Enable",
    "new": "Create",
    "resend": "Send the invitation again",
    "reset": "Reset the second factor",
    "security": "Change the security settings",
    "unbind": "Take a role away",
    "withdraw": "Withdraw the invitation",
}
# What they send belongs to the page it was on, the request of a client or the answer of a device: it starts over there.
STARTS_OVER = {"agent_connect", "own_passkey_new"}
PAGE = "portal/step_up/code.html"


@dataclass(frozen=True, slots=True)
class Shown:
    label: str
    value: str


@requires(Permission.PORTAL_DASHBOARD_READ)
@never_cache
@sensitive_post_parameters("code")
def step_up(request: PortalRequest) -> HttpResponseBase:
    form = CodeForm(request.POST or None)
    if request.method != "POST":
        return render(request, PAGE, _about(request, form))
    if form.is_valid():
        if confirm(_session(request).row, form.cleaned_data["code"], request.actor):
            return _go_on(request)
        form.add_error("code", CodeRefused().message)
    return committed(mend(request, PAGE, _about(request, form)))


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
@never_cache
def step_up_passkey(request: PortalRequest) -> HttpResponseBase:
    given = PasskeyForm(request.POST)
    if given.is_valid() and confirm_passkey(_session(request).row, **given.cleaned_data, by=request.actor):
        return _go_on(request)
    refused = PasskeyRefused("counted").message if given.is_valid() else NO_ANSWER
    return committed(mend(request, PAGE, _about(request, CodeForm()) | {"refused": refused}))


def _about(request: PortalRequest, form: CodeForm) -> dict[str, object]:
    if not selectors.has_authenticator(request.user):
        form.fields["code"].help_text = "One of your recovery codes."
    return {"form": form, "waiting": look(request), "has_passkeys": passkeys_of(request.user.pk).exists()}


def _session(request: HttpRequest) -> TenantSession:
    if not isinstance(request.session, TenantSession):
        raise CodeRefused
    return request.session


def _go_on(request: PortalRequest) -> HttpResponseBase:
    """Nothing is sent for the person: they see what waits, and press its button. It is shown once."""
    waiting = take(request)
    if waiting is None:
        messages.success(request, "Confirmed. What needs a recent second factor is open for 15 minutes.")
        return redirect("portal:dashboard")
    if waiting.read:
        return redirect(waiting.path)
    if _room(waiting.path) in STARTS_OVER:
        messages.success(request, "Confirmed. Nothing was done yet: do it again here.")
        return redirect(waiting.origin)
    verb, about = _what(waiting.path)
    context = {"waiting": waiting, "verb": verb, "about": about, "shown": _shown(waiting)}
    return render(request, "portal/step_up/go_on.html", context)


def _room(path: str) -> str:
    try:
        return resolve(path).url_name or ""
    except Resolver404:
        return ""


def _what(path: str) -> tuple[str, str]:
    """What the button does, and to whom."""
    try:
        match = resolve(path)
    except Resolver404:
        return "Continue", ""
    room, _, verb = (match.url_name or "").rpartition("_")
    words = VERBS.get(verb, verb.replace("_", " ").capitalize())
    if verb == "new":
        words = f"{words} a {room.replace('_', ' ')}"
    pk = match.kwargs.get("pk")
    return words, selectors.names_of([pk]).get(pk, "") if isinstance(pk, UUID) else ""


def _shown(waiting: Interrupted) -> list[Shown]:
    """The fields in words: ids of customers and people by their names."""
    ids = [identifier for _, value in waiting.fields if (identifier := _uuid(value))]
    names = {str(pk): name for pk, name in selectors.names_of(ids).items()}
    return [
        Shown(name.replace("_", " ").capitalize(), names.get(value, value)) for name, value in waiting.fields if value
    ]


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None
