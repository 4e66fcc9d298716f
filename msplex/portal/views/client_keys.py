"""Public keys of a service account."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from identity import services
from identity.forms import ClientKeyForm
from identity.permissions import Permission
from identity.selectors import keys_of
from identity.selectors import service_accounts as all_accounts
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.requests import PortalRequest
from msplex.portal.views.service_accounts import DETAIL, about


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_key_add(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    form = ClientKeyForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            services.add_key(found, **form.terms(), by=request.actor)
            return redirect("portal:service_account", pk)
    return mend(request, DETAIL, about(request, found) | {"key_form": form})


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_key_revoke(request: PortalRequest, pk: UUID, key: UUID) -> HttpResponse:
    found = one(keys_of(one(all_accounts(), pk)), key)
    done = "The key is revoked. Tokens are refused from the next call on."
    carry_out(request, lambda: services.revoke_key(found, by=request.actor), done)
    return redirect("portal:service_account", pk)
