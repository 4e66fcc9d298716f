"""The door: password, second factor, and its set-up at the first sign-in. None of them has a tenant's context."""

import segno
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from identity import services
from identity.cookies import (
    PendingSignIn,
    clear_pending_cookie,
    clear_session_cookie,
    pending_cookie_name,
    remember_device,
    set_pending_cookie,
    set_session_cookie,
)
from identity.errors import CodeRefused, SignInRefused
from identity.forms import CodeForm, SignInForm
from identity.web import public
from msplex.portal.answers import mend
from msplex.portal.requests import PortalRequest

NEXT_COOKIE = "msplex_next"
QR_SCALE = 5


@public("signing in")
@never_cache
@sensitive_post_parameters("password")
def sign_in(request: PortalRequest) -> HttpResponseBase:
    if request.principal:
        return redirect("portal:dashboard")
    form = SignInForm(request.POST or None, initial={"workspace": request.GET.get("workspace")})
    if request.method != "POST":
        return _remember_next(request, render(request, "portal/sign_in/password.html", {"form": form}))
    if form.is_valid():
        try:
            pending = services.sign_in_password(**form.cleaned_data, client=request.client)
        except SignInRefused as refused:
            form.add_error(None, refused.message)
        else:
            response = redirect("portal:code" if pending.enrolled else "portal:enrol")
            set_pending_cookie(response, pending)
            return response
    return mend(request, "portal/sign_in/password.html", {"form": form})


@public("the second step of signing in")
@never_cache
@sensitive_post_parameters("code")
def code(request: PortalRequest) -> HttpResponseBase:
    pending = pending_of(request)
    if request.principal or pending is None or not pending.enrolled:
        return redirect("portal:sign_in")
    form = CodeForm(request.POST or None)
    context = {"form": form, "has_passkeys": services.has_passkeys(pending)}
    if request.method != "POST":
        return render(request, "portal/sign_in/code.html", context)
    signed_in = _verified(request, pending, form)
    if signed_in is None:
        return mend(request, "portal/sign_in/code.html", context)
    return enter(request, HttpResponseRedirect(onward(request)), signed_in, pending)


@public("setting up the second factor at the first sign-in")
@never_cache
@sensitive_post_parameters("code")
def enrol(request: PortalRequest) -> HttpResponseBase:
    pending = pending_of(request)
    if request.principal or pending is None or pending.enrolled:
        return redirect("portal:sign_in")
    form = CodeForm(request.POST or None)
    signed_in = _verified(request, pending, form) if request.method == "POST" else None
    if signed_in is not None:
        codes = {"codes": signed_in.recovery_codes, "onward": onward(request)}
        return enter(request, render(request, "portal/sign_in/recovery.html", codes), signed_in, pending)
    form.fields["code"].help_text = "The six digits that the app shows now."
    enrolment = services.begin_enrolment(pending)
    qr = segno.make(enrolment.url, error="m").svg_data_uri(scale=QR_SCALE, border=1)
    context = {"form": form, "seed": enrolment.secret, "qr": qr, "passkey": services.may_start_with_passkey(pending)}
    if request.method == "POST":
        return mend(request, "portal/sign_in/enrol.html", context)
    return render(request, "portal/sign_in/enrol.html", context)


@public("signing out does nothing for those who are not signed in")
@require_POST
def sign_out(request: PortalRequest) -> HttpResponseBase:
    if request.principal and request.principal.session_id:
        services.sign_out(request.principal.session_id, by=request.actor)
    response = redirect("portal:sign_in")
    clear_session_cookie(response)
    response["Clear-Site-Data"] = '"cache"'
    return response


def pending_of(request: HttpRequest) -> PendingSignIn | None:
    return PendingSignIn.read(request.COOKIES.get(pending_cookie_name(), ""))


def _verified(request: PortalRequest, pending: PendingSignIn, form: CodeForm) -> services.SignedIn | None:
    if not form.is_valid():
        return None
    try:
        return services.sign_in_code(pending, form.cleaned_data["code"], client=request.client)
    except CodeRefused as refused:
        form.add_error("code", refused.message)
        return None


def enter(
    request: PortalRequest, response: HttpResponseBase, signed_in: services.SignedIn, pending: PendingSignIn | None
) -> HttpResponseBase:
    set_session_cookie(response, signed_in.cookie)
    if pending is not None:
        remember_device(response, pending, request.client.device)
    clear_pending_cookie(response)
    response.delete_cookie(NEXT_COOKIE)
    return response


def _remember_next(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Through both steps, without a place in the tenant's data: there is none yet."""
    wanted = request.GET.get("next", "")
    if wanted and _is_ours(request, wanted):
        response.set_signed_cookie(
            NEXT_COOKIE, wanted, max_age=600, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    return response


def onward(request: HttpRequest) -> str:
    wanted = request.get_signed_cookie(NEXT_COOKIE, default="", max_age=600)
    return wanted if wanted and _is_ours(request, wanted) else resolve_url("portal:dashboard")


def _is_ours(request: HttpRequest, url: str) -> bool:
    return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
