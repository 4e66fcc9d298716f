"""The webhook of a connection. A new secret is in one answer, and nowhere else."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from connectors.hooks import address_of, make_hook, mark_of, remove_hook, rotate_hook, ways
from connectors.models import ConnectorInstance, Hook
from connectors.selectors import hook_of, instances
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.connection_forms import HookForm
from msplex.portal.requests import PortalRequest
from tenants.errors import NotFound

PAGE, SECRET = "portal/connectors/hook.html", "portal/connectors/hook_secret.html"


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
def connector_hook(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, PAGE, _about(one(instances(), pk)))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("secret")
def connector_hook_make(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    form = HookForm(request.POST, ways=ways(instance))
    if form.is_valid():
        with said_beside(form):
            hook, secret = make_hook(instance, **form.cleaned_data, by=request.actor)
            return render(request, SECRET, _secret(hook, secret))
    return mend(request, PAGE, _about(instance) | {"form": form})


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("secret")
def connector_hook_rotate(request: PortalRequest, pk: UUID) -> HttpResponse:
    """Sent again (a reload), it is refused: the secret that it replaces is not the current one any more."""
    hook, made = _one(one(instances(), pk)), []
    replaces = request.POST.get("replaces", "")
    if carry_out(request, lambda: made.append(rotate_hook(hook, replaces=replaces, by=request.actor)), "Replaced."):
        return render(request, SECRET, _secret(*made[0]))
    return redirect("portal:connector_hook", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_hook_remove(request: PortalRequest, pk: UUID) -> HttpResponse:
    hook = _one(one(instances(), pk))
    carry_out(request, lambda: remove_hook(hook, by=request.actor), "The webhook is gone. Nobody can call it any more.")
    return redirect("portal:connector_hook", pk)


def _one(instance: ConnectorInstance) -> Hook:
    found = hook_of(instance)
    if found is None:
        raise NotFound
    return found


def _about(instance: ConnectorInstance) -> dict[str, Any]:
    hook = hook_of(instance)
    context: dict[str, Any] = {"instance": instance, "hook": hook}
    if hook is None:
        return context | {"form": HookForm(ways=ways(instance))}
    return context | {"address": address_of(hook), "mark": mark_of(hook)}


def _secret(hook: Hook, secret: str) -> dict[str, Any]:
    return {"instance": hook.instance, "hook": hook, "address": address_of(hook), "secret": secret}


paths = [
    path("connectors/<uuid:pk>/webhook/", connector_hook, name="connector_hook"),
    path("connectors/<uuid:pk>/webhook/make/", connector_hook_make, name="connector_hook_make"),
    path("connectors/<uuid:pk>/webhook/rotate/", connector_hook_rotate, name="connector_hook_rotate"),
    path("connectors/<uuid:pk>/webhook/remove/", connector_hook_remove, name="connector_hook_remove"),
]
