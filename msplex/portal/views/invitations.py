"""People who are asked in: by those who manage people, and the page on which they come."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_tables2 import RequestConfig

from identity import services
from identity.cookies import clear_session_cookie, set_pending_cookie
from identity.errors import InvitationNotValid
from identity.forms import WelcomeForm
from identity.permissions import Permission
from identity.selectors import invitations as all_invitations
from identity.web import public, requires
from msplex.portal.answers import PAGE_ROWS, carry_out, mend, one, said_beside
from msplex.portal.filters import InvitationFilter
from msplex.portal.forms import InvitationForm
from msplex.portal.requests import PortalRequest
from msplex.portal.tables import InvitationsTable


@requires(Permission.IDENTITY_MEMBER_READ)
def invitations(request: PortalRequest) -> HttpResponse:
    narrowed = InvitationFilter(request.GET, all_invitations(), request=request)
    table = InvitationsTable(narrowed.qs)
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "table": table, "filtered": filtered}
    return render(request, "portal/invitations/list.html", context)


@requires(Permission.IDENTITY_MEMBER_MANAGE, recent_mfa=True)
def invite(request: PortalRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None, principal=request.principal)
    if request.method != "POST":
        return render(request, "portal/invitations/form.html", {"form": form})
    if form.is_valid():
        with said_beside(form):
            services.invite(**form.cleaned_data, by=request.actor)
            return redirect("portal:people_invitations")
    return mend(request, "portal/invitations/form.html", {"form": form})


@requires(Permission.IDENTITY_MEMBER_MANAGE, recent_mfa=True)
@require_POST
def resend(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_invitations(), pk)
    done = f"A new invitation is on its way to {found.email}. The link of the one before does not work any more."
    carry_out(request, lambda: services.resend_invitation(found.pk, by=request.actor), done)
    return redirect("portal:people_invitations")


@requires(Permission.IDENTITY_MEMBER_MANAGE, recent_mfa=True)
@require_POST
def withdraw(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(all_invitations(), pk)
    done = f"The invitation of {found.email} is withdrawn."
    carry_out(request, lambda: services.withdraw_invitation(found.pk, by=request.actor), done)
    return redirect("portal:people_invitations")


@public("guests come by the link in their invitation")
@never_cache
@sensitive_post_parameters("password", "again")
def welcome(request: PortalRequest, token: str) -> HttpResponseBase:
    """Whoever is signed in here is not who comes: this address has no session (identity.middleware.OUTSIDE)."""
    try:
        return _welcome(request, token)
    except InvitationNotValid as refused:
        context = {"title": "This invitation is not valid any more", "sentence": refused.message}
        return render(request, "portal/links/gone.html", context, status=refused.status)


def _welcome(request: PortalRequest, token: str) -> HttpResponseBase:
    offered, workspace = services.look_at_invitation(token)
    form = WelcomeForm(request.POST or None)
    context = {"invitation": offered, "workspace": workspace, "form": form}
    if request.method != "POST":
        return render(request, "portal/links/welcome.html", context)
    if form.is_valid():
        with said_beside(form):
            pending = services.accept_invitation(token, **form.answer(), client=request.client)
            response = redirect("portal:enrol")
            clear_session_cookie(response)
            set_pending_cookie(response, pending)
            return response
    return mend(request, "portal/links/welcome.html", context)
