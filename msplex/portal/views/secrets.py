"""Secrets of a service account, and what is said about it. A new secret is in one answer, and nowhere else."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from identity import services
from identity.forms import AmendForm, RotateForm
from identity.permissions import Permission
from identity.selectors import secrets_of
from identity.selectors import service_accounts as all_accounts
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.requests import PortalRequest
from msplex.portal.views.service_accounts import DETAIL, about, secret_page


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("secret")
def service_account_rotate(request: PortalRequest, pk: UUID) -> HttpResponse:
    """Sent again (a reload), it is refused: the secret that it replaces is not the current one any more."""
    found = one(all_accounts(), pk)
    form = RotateForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            _, secret = services.rotate_secret(found, **form.terms(), by=request.actor)
            return render(request, "portal/service_accounts/secret.html", secret_page(found, secret))
    return mend(request, DETAIL, about(request, found) | {"rotate_form": form})


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_revoke(request: PortalRequest, pk: UUID, secret: UUID) -> HttpResponse:
    found = one(secrets_of(one(all_accounts(), pk)), secret)
    done = f"The secret {found.prefix}… is revoked. Tokens are refused from the next call on."
    carry_out(request, lambda: services.revoke_secret(found, by=request.actor), done)
    return redirect("portal:service_account", pk)


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_revoke_all(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    done = f"Every secret of {found.name} is revoked. Tokens are refused from the next call on."
    carry_out(request, lambda: services.revoke_all_secrets(found, by=request.actor), done)
    return redirect("portal:service_account", pk)


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_amend(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    form = AmendForm(request.POST, account=found)
    if form.is_valid():
        with said_beside(form):
            services.amend_service_account(found, **form.cleaned_data, by=request.actor)
            return redirect("portal:service_account", pk)
    return mend(request, DETAIL, about(request, found) | {"amend_form": form})
