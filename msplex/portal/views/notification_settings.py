"""How somebody is told, and over which channels of the tenant. A new secret is in one answer, and nowhere else."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from approvals.notifications.selectors import ntfy_server, undelivered
from approvals.notifications.settings import (
    OF_TENANT,
    PERSONAL,
    preferences_of,
    renew_topic,
    rotate_secret,
    set_channels,
    set_preferences,
    tenant_channels,
)
from approvals.notifications.tokens import set_ntfy_token
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, said_beside
from msplex.portal.notification_forms import ChannelsForm, NtfyTokenForm, PreferencesForm
from msplex.portal.requests import PortalRequest

OWN, CHANNELS = "portal/notifications/preferences.html", "portal/notifications/channels.html"
SECRET = "portal/notifications/secret.html"  # noqa: S105 -- a template


@requires(Permission.PORTAL_DASHBOARD_READ)
def notification_preferences(request: PortalRequest) -> HttpResponse:
    own = preferences_of(request.principal.id)
    form = PreferencesForm(request.POST or None, initial={name: getattr(own, name) for name in PERSONAL})
    context = {"form": form, "own": own, "kept": not own._state.adding, "ntfy_server": ntfy_server()}
    if request.method != "POST":
        return render(request, OWN, context)
    if form.is_valid():
        with said_beside(form):
            set_preferences(**form.cleaned_data, by=request.actor)
            messages.success(request, "Saved. It holds for what comes from now on.")
            return redirect("portal:notification_preferences")
    return mend(request, OWN, context)


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def notification_topic(request: PortalRequest) -> HttpResponse:
    carry_out(request, lambda: renew_topic(by=request.actor), "There is a new topic. Subscribe to it on your phone.")
    return redirect("portal:notification_preferences")


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
def notification_channels(request: PortalRequest) -> HttpResponse:
    now = tenant_channels()
    form = ChannelsForm(request.POST or None, initial={name: getattr(now, name) for name in OF_TENANT})
    context = _about(form)
    if request.method != "POST":
        return render(request, CHANNELS, context)
    if form.is_valid():
        with said_beside(form):
            set_channels(**form.cleaned_data, by=request.actor)
            messages.success(request, "Saved.")
            return redirect("portal:notification_channels")
    return mend(request, CHANNELS, context)


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("secret")
def notification_secret(request: PortalRequest) -> HttpResponse:
    """Sent again (a reload), it is refused: the secret that it replaces is not the current one any more."""
    replaces, made = request.POST.get("replaces", ""), list[Any]()
    if carry_out(request, lambda: made.append(rotate_secret(replaces=replaces, by=request.actor)), "Replaced."):
        channels, secret = made[0]
        return render(request, SECRET, {"address": channels.webhook_url, "secret": secret})
    return redirect("portal:notification_channels")


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
@require_POST
@sensitive_post_parameters("token")
def notification_token(request: PortalRequest) -> HttpResponse:
    form = NtfyTokenForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            set_ntfy_token(token=form.cleaned_data["token"], by=request.actor)
            messages.success(request, "Saved. It holds for this server alone.")
            return redirect("portal:notification_channels")
    now = tenant_channels()
    channels = ChannelsForm(initial={name: getattr(now, name) for name in OF_TENANT})
    return mend(request, CHANNELS, _about(channels) | {"token_form": form})


def _about(form: ChannelsForm) -> dict[str, Any]:
    return {
        "form": form,
        "token_form": NtfyTokenForm(),
        "channels": tenant_channels(),
        "undelivered": undelivered()[:20],
    }


paths = [
    path("notifications/preferences/", notification_preferences, name="notification_preferences"),
    path("notifications/preferences/topic/", notification_topic, name="notification_topic"),
    path("notifications/channels/", notification_channels, name="notification_channels"),
    path("notifications/channels/secret/", notification_secret, name="notification_secret"),
    path("notifications/channels/token/", notification_token, name="notification_token"),
]
