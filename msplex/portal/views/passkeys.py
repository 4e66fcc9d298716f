"""A person's own ways to sign in."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from identity import services
from identity.errors import PasskeyRefused
from identity.permissions import Permission
from identity.selectors import passkeys_of, security_policy
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.requests import PortalRequest
from msplex.portal.security_forms import NewPasskeyForm, PasskeyNameForm

PAGE = "portal/account/sign_in_methods.html"


def _about(request: PortalRequest, form: NewPasskeyForm | None = None) -> dict[str, object]:
    return {
        "passkeys": passkeys_of(request.user.pk),
        "form": form or NewPasskeyForm(),
        "app": selectors.has_authenticator(request.user),
        "codes_left": selectors.recovery_codes_left(request.user),
        "alone": security_policy().passkey_sign_in,
    }


@requires(Permission.PORTAL_DASHBOARD_READ)
def sign_in_methods(request: PortalRequest) -> HttpResponse:
    return render(request, PAGE, _about(request))


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True)
@require_POST
def own_passkey_new(request: PortalRequest) -> HttpResponse:
    form = NewPasskeyForm(request.POST)
    if form.is_valid():
        session = request.principal.session_id
        try:
            with said_beside(form):
                services.register_passkey(request.user, **form.cleaned_data, session_id=session, by=request.actor)
                messages.success(request, "The passkey is there. You are signed out everywhere else.")
                return redirect("portal:sign_in_methods")
        except PasskeyRefused as refused:
            form.add_error(None, refused.message)
    return mend(request, PAGE, _about(request, form))


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def own_passkey_rename(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(passkeys_of(request.user.pk), pk), PasskeyNameForm(request.POST)
    name = form.cleaned_data["name"] if form.is_valid() else ""
    rename = lambda: services.rename_passkey(request.user, found.pk, name=name, by=request.actor)  # noqa: E731
    carry_out(request, rename, "The passkey has its new name.")
    return redirect("portal:sign_in_methods")


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True)
@require_POST
def own_passkey_remove(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(passkeys_of(request.user.pk), pk)
    session = request.principal.session_id
    done = f"{found.name} does not let anybody in any more. You are signed out everywhere else."
    carry_out(
        request, lambda: services.remove_passkey(request.user, found.pk, session_id=session, by=request.actor), done
    )
    return redirect("portal:sign_in_methods")


paths = [
    path("account/sign-in-methods/", sign_in_methods, name="sign_in_methods"),
    path("account/passkeys/new/", own_passkey_new, name="own_passkey_new"),
    path("account/passkeys/<uuid:pk>/name/", own_passkey_rename, name="own_passkey_rename"),
    path("account/passkeys/<uuid:pk>/remove/", own_passkey_remove, name="own_passkey_remove"),
]
