"""Pages behind the links in messages, and the one that has a link sent. Opening one changes nothing; its button does.

Whoever is signed in here does not matter: these addresses have no session (identity.middleware.OUTSIDE).
"""

from collections.abc import Callable
from functools import wraps

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from identity import services
from identity.cookies import clear_session_cookie, set_pending_cookie
from identity.errors import LinkNotValid
from identity.forms import ForgottenForm, NewPasswordForm
from identity.web import public
from msplex.portal.answers import mend, said_beside
from msplex.portal.requests import PortalRequest

Page = Callable[[PortalRequest, str], HttpResponseBase]


def _or_gone(view: Page) -> Page:
    """One page for every link that is not good, whatever the reason."""

    @wraps(view)
    def wrapped(request: PortalRequest, token: str) -> HttpResponseBase:
        try:
            return view(request, token)
        except LinkNotValid as refused:
            context = {"title": "This link is not valid any more", "sentence": refused.message}
            return render(request, "portal/links/gone.html", context, status=refused.status)

    return wrapped


@public("whoever forgot the password cannot sign in")
@never_cache
def forgotten(request: PortalRequest) -> HttpResponseBase:
    if request.principal:
        return redirect("portal:account_password")
    form = ForgottenForm(request.POST or None, initial={"workspace": request.GET.get("workspace")})
    if request.method != "POST":
        return render(request, "portal/links/forgotten.html", {"form": form})
    if not form.is_valid():
        return mend(request, "portal/links/forgotten.html", {"form": form})
    services.request_password_reset(**form.cleaned_data, client=request.client)
    return render(request, "portal/links/asked.html", {"email": form.cleaned_data["email"]})


@public("the link from a message is the credential")
@never_cache
@sensitive_post_parameters("password", "again")
@_or_gone
def password(request: PortalRequest, token: str) -> HttpResponseBase:
    email = services.look_at_password_link(token)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            pending = services.reset_password(token, password=form.cleaned_data["password"], client=request.client)
            response = redirect("portal:code" if pending.enrolled else "portal:enrol")
            clear_session_cookie(response)
            set_pending_cookie(response, pending)
            return response
    answer = mend if request.method == "POST" else render
    return answer(request, "portal/links/password.html", {"form": form, "email": email})


@public("the link from a message is the credential")
@never_cache
@_or_gone
def email(request: PortalRequest, token: str) -> HttpResponse:
    if request.method == "POST":
        change = services.confirm_email_change(token, client=request.client)
        return render(request, "portal/links/email_done.html", {"email": change.new_email})
    change = services.look_at_email_link(token)
    return render(request, "portal/links/email.html", {"change": change})


@public("the link from a message is the credential")
@never_cache
@_or_gone
def email_undo(request: PortalRequest, token: str) -> HttpResponse:
    if request.method == "POST":
        change = services.undo_email_change(token, client=request.client)
        return render(request, "portal/links/email_undone.html", {"email": change.old_email})
    change = services.look_at_undo_link(token)
    return render(request, "portal/links/email_undo.html", {"change": change})
