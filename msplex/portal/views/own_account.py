"""What people change of their own account. Who is signed in here acts for nobody else."""

import segno
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from audit.selectors import events_about
from identity import services
from identity.errors import CodeRefused, PasswordRefused
from identity.forms import CodeForm, OwnEmailForm, OwnNameForm, OwnPasswordForm
from identity.permissions import Permission
from identity.responses import committed
from identity.services.authority import whole_tenant
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import mend, said_beside
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest

QR_SCALE = 5
APP_PAGE = "portal/account/authenticator.html"
APP_ADDED = "Your authenticator app is set up. You are signed out everywhere else."
APP_REPLACED = "Your new authenticator app is in use. The old one's codes are refused."


def _own(request: PortalRequest) -> services.Own:
    return services.Own.of(request.principal, request.actor)


@requires(Permission.PORTAL_DASHBOARD_READ)
def account_name(request: PortalRequest) -> HttpResponse:
    form = OwnNameForm(request.POST or None, initial={"name": request.user.name})
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            services.rename(_own(request), name=form.cleaned_data["name"])
            messages.success(request, "Your name is changed.")
            return redirect("portal:account")
    answer = mend if request.method == "POST" else render
    return answer(request, "portal/account/name.html", {"form": form})


@requires(Permission.PORTAL_DASHBOARD_READ)
@never_cache
@sensitive_post_parameters()
def account_password(request: PortalRequest) -> HttpResponse:
    form = OwnPasswordForm(request.POST or None)
    if request.method != "POST":
        return render(request, "portal/account/password.html", {"form": form})
    if form.is_valid():
        given = form.cleaned_data
        try:
            with said_beside(form, leaving=PasswordRefused):
                services.change_password(_own(request), current=given["current"], new=given["password"])
                messages.success(request, "Your password is changed. You are signed out everywhere else.")
                return redirect("portal:account")
        except PasswordRefused as refused:
            form.add_error("current", refused.message)
            return committed(mend(request, "portal/account/password.html", {"form": form}))
    return mend(request, "portal/account/password.html", {"form": form})


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True, unkept=frozenset({"current"}))
@never_cache
@sensitive_post_parameters("current")
def account_email(request: PortalRequest) -> HttpResponse:
    form = OwnEmailForm(request.POST or None)
    if request.method != "POST":
        return render(request, "portal/account/email.html", {"form": form})
    if form.is_valid():
        try:
            with said_beside(form, leaving=PasswordRefused):
                services.request_email_change(_own(request), **form.cleaned_data)
                messages.success(request, f"Open the link that was sent to {form.cleaned_data['email']} to confirm.")
                return redirect("portal:account")
        except PasswordRefused as refused:
            form.add_error("current", refused.message)
            return committed(mend(request, "portal/account/email.html", {"form": form}))
    return mend(request, "portal/account/email.html", {"form": form})


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True, secret=True, unkept=frozenset({"code"}))
@never_cache
@sensitive_post_parameters("code")
def account_authenticator(request: PortalRequest) -> HttpResponse:
    own, form, first = _own(request), CodeForm(request.POST or None), not selectors.has_authenticator(request.user)
    form.fields["code"].help_text = "The six digits that the new app shows now."
    if request.method == "POST" and form.is_valid():
        try:
            services.confirm_renewal(own, form.cleaned_data["code"])
        except CodeRefused as refused:
            form.add_error("code", refused.message)
            return committed(mend(request, APP_PAGE, _enrolment(own, form) | {"first": first}))
        messages.success(request, APP_ADDED if first else APP_REPLACED)
        return redirect("portal:account")
    answer = mend if request.method == "POST" else render
    return answer(request, APP_PAGE, _enrolment(own, form) | {"first": first})


def _enrolment(own: services.Own, form: CodeForm) -> dict[str, object]:
    enrolment = services.begin_renewal(own)
    qr = segno.make(enrolment.url, error="m").svg_data_uri(scale=QR_SCALE, border=1)
    return {"form": form, "seed": enrolment.secret, "qr": qr}


@requires(Permission.PORTAL_DASHBOARD_READ)
def account_history(request: PortalRequest) -> HttpResponse:
    """Their own account is theirs to know about, also what was done to it for the whole tenant."""
    with whole_tenant():
        page = stretch(events_about(request.principal.id), request.GET)
    return render(request, "portal/account/history.html", {"page": page})
