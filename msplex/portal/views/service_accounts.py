from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST
from django_tables2 import RequestConfig

from identity import services
from identity.forms import AmendForm, ClientKeyForm, RotateForm
from identity.models import ServiceAccount, ServiceAccountSecret
from identity.permissions import Permission
from identity.selectors import KEYS_SHOWN, SECRETS_SHOWN, bindings, keys_of, secrets_of
from identity.selectors import service_accounts as all_accounts
from identity.web import requires
from msplex.portal.answers import PAGE_ROWS, carry_out, mend, one, said_beside
from msplex.portal.filters import ServiceAccountFilter
from msplex.portal.forms import BindingForm, ServiceAccountForm
from msplex.portal.requests import PortalRequest
from msplex.portal.tables import ServiceAccountsTable

DETAIL = "portal/service_accounts/detail.html"


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_READ)
def service_accounts(request: PortalRequest) -> HttpResponse:
    narrowed = ServiceAccountFilter(request.GET, all_accounts(), request=request)
    table = ServiceAccountsTable(narrowed.qs)
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "table": table, "filtered": filtered}
    return render(request, "portal/service_accounts/list.html", context)


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@never_cache
def service_account_new(request: PortalRequest) -> HttpResponse:
    form = ServiceAccountForm(request.POST or None, principal=request.principal)
    if request.method != "POST":
        return render(request, "portal/service_accounts/form.html", {"form": form})
    if form.is_valid():
        with said_beside(form):
            return _created(request, form)
    return mend(request, "portal/service_accounts/form.html", {"form": form})


@sensitive_variables()
def _created(request: PortalRequest, form: ServiceAccountForm) -> HttpResponse:
    """The secret is in this answer, and nowhere else."""
    account, _, secret = services.create_service_account(**form.terms(), by=request.actor)
    return render(request, "portal/service_accounts/secret.html", secret_page(account, secret))


def secret_page(account: ServiceAccount, secret: str) -> dict[str, object]:
    return {
        "account": account,
        "client_id": account.client_id,
        "secret": secret,
        "token_command": token_command(account.client_id),
        "gateway": settings.GATEWAY_RESOURCE,
    }


def token_command(client_id: str) -> str:
    """For a shell: the secret is neither in its history nor in the list of processes."""
    return (
        "read -rsp 'Client secret: ' SECRET && \\\n"
        f"""printf 'user = "%s:%s"' {client_id} "$SECRET" | \\\n"""
        f"curl -sS -K - {settings.PUBLIC_URL}/oauth/token \\\n"
        f"  -d grant_type=client_credentials -d resource={settings.GATEWAY_RESOURCE}; unset SECRET"
    )


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_READ)
def service_account(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, DETAIL, about(request, one(all_accounts(), pk)))


def about(request: PortalRequest, found: ServiceAccount) -> dict[str, object]:
    may_manage = request.principal.allows(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE)
    return {
        "account": found,
        "principal": found.principal,
        "bindings": found.principal.bindings.all(),
        "may_manage": may_manage,
        "binding_form": BindingForm(giver=request.principal) if may_manage else None,
        "bind_url": "portal:service_account_bind",
        "unbind_url": "portal:service_account_unbind",
        "token_command": token_command(found.client_id),
        **_secrets(found, may_manage=may_manage),
    }


def _secrets(found: ServiceAccount, *, may_manage: bool) -> dict[str, object]:
    secrets = list(secrets_of(found)[:SECRETS_SHOWN])
    current = next((each.prefix for each in secrets if each.state == ServiceAccountSecret.State.CURRENT), "")
    return {
        "secrets": secrets,
        "keys": keys_of(found)[:KEYS_SHOWN],
        "key_form": ClientKeyForm() if may_manage else None,
        "now": timezone.now(),
        "rotate_form": RotateForm(initial={"replaces": current}) if may_manage else None,
        "amend_form": AmendForm(account=found) if may_manage else None,
    }


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_disable(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    done = f"{found.name} is disabled. Its tokens are refused from the next call on."
    carry_out(request, lambda: services.disable_principal(found.pk, by=request.actor), done)
    return redirect("portal:service_account", pk)


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_enable(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    done = f"{found.name} can get tokens again."
    carry_out(request, lambda: services.enable_principal(found.pk, by=request.actor), done)
    return redirect("portal:service_account", pk)


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_bind(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    form = BindingForm(request.POST, giver=request.principal)
    if form.is_valid():
        with said_beside(form):
            services.bind_role(found.principal, **form.cleaned_data, by=request.actor)
            return redirect("portal:service_account", pk)
    return mend(request, DETAIL, about(request, found) | {"binding_form": form})


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def service_account_unbind(request: PortalRequest, pk: UUID, binding: UUID) -> HttpResponse:
    found = one(all_accounts(), pk)
    given = one(bindings().filter(principal=found.principal), binding)
    done = f"{given.label} was taken away from {found.name}."
    carry_out(request, lambda: services.unbind_role(given, by=request.actor), done)
    return redirect("portal:service_account", pk)
