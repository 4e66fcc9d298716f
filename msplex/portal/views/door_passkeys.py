"""The door with a passkey: as second factor, as a newcomer's first one, in place of the password."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from identity import services
from identity.errors import PasskeyNotEnough, PasskeyRefused
from identity.passkeys import Ceremony
from identity.web import public
from msplex.portal.requests import PortalRequest
from msplex.portal.security_forms import NO_ANSWER, NewPasskeyForm, PasskeyForm
from msplex.portal.views.sign_in import enter, onward, pending_of
from tenants.errors import Conflict, DomainError


def _begun(ceremony: Ceremony) -> JsonResponse:
    return JsonResponse({"options": ceremony.options, "state": ceremony.state})


def _over() -> JsonResponse:
    return JsonResponse({"detail": "This sign-in took too long. Start again."}, status=409)


def _refused(request: HttpRequest, room: str, error: DomainError | None) -> HttpResponseBase:
    messages.error(request, error.message if error else NO_ANSWER)
    return redirect(f"portal:{room}")


def _browser(request: HttpRequest) -> str:
    """The secret of the form token's cookie, which no other browser has."""
    get_token(request)
    return str(request.META["CSRF_COOKIE"])


@public("signing in without a password")
@require_POST
@never_cache
def passkey_options(request: PortalRequest) -> JsonResponse:
    return _begun(services.begin_passwordless(_browser(request)))


@public("signing in without a password")
@require_POST
@never_cache
def passkey(request: PortalRequest) -> HttpResponseBase:
    form = PasskeyForm(request.POST)
    if request.principal or not form.is_valid():
        return _refused(request, "sign_in", None)
    try:
        signed_in = services.sign_in_passwordless(**form.cleaned_data, browser=_browser(request), client=request.client)
    except (PasskeyRefused, PasskeyNotEnough) as refused:
        return _refused(request, "sign_in", refused)
    return enter(request, HttpResponseRedirect(onward(request)), signed_in, None)


@public("the second step of signing in")
@require_POST
@never_cache
def code_passkey_options(request: PortalRequest) -> JsonResponse:
    pending = pending_of(request)
    if pending is None:
        return _over()
    try:
        return _begun(services.begin_second_factor(pending))
    except PasskeyRefused:
        return _over()


@public("the second step of signing in")
@require_POST
@never_cache
def code_passkey(request: PortalRequest) -> HttpResponseBase:
    pending, form = pending_of(request), PasskeyForm(request.POST)
    if pending is None or not form.is_valid():
        return _refused(request, "code", None)
    try:
        signed_in = services.sign_in_passkey(pending, **form.cleaned_data, client=request.client)
    except PasskeyRefused as refused:
        return _refused(request, "code", refused)
    return enter(request, HttpResponseRedirect(onward(request)), signed_in, pending)


@public("setting up the second factor at the first sign-in")
@require_POST
@never_cache
def enrol_passkey_options(request: PortalRequest) -> JsonResponse:
    pending = pending_of(request)
    if pending is None:
        return _over()
    try:
        return _begun(services.begin_first_passkey(pending))
    except (PasskeyRefused, Conflict):
        return _over()


@public("setting up the second factor at the first sign-in")
@require_POST
@never_cache
def enrol_passkey(request: PortalRequest) -> HttpResponseBase:
    pending, form = pending_of(request), NewPasskeyForm(request.POST)
    if pending is None or not form.is_valid():
        return _refused(request, "enrol", None)
    try:
        signed_in = services.sign_in_first_passkey(pending, **form.cleaned_data, client=request.client)
    except (PasskeyRefused, PasskeyNotEnough, Conflict) as refused:
        return _refused(request, "enrol", refused)
    codes = {"codes": signed_in.recovery_codes, "onward": onward(request)}
    return enter(request, render(request, "portal/sign_in/recovery.html", codes), signed_in, pending)


paths = [
    path("sign-in/passkey/", passkey, name="passkey"),
    path("sign-in/passkey/options/", passkey_options, name="passkey_options"),
    path("sign-in/code/passkey/", code_passkey, name="code_passkey"),
    path("sign-in/code/passkey/options/", code_passkey_options, name="code_passkey_options"),
    path("sign-in/set-up/passkey/", enrol_passkey, name="enrol_passkey"),
    path("sign-in/set-up/passkey/options/", enrol_passkey_options, name="enrol_passkey_options"),
]
