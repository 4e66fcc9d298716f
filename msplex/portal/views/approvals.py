"""What waits for people: the inbox, one request, and what can be said to it."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from approvals.binding import shown_digest
from approvals.errors import VoteRefused
from approvals.held.selectors import terms_shown
from approvals.models import ApprovalRequest
from approvals.selectors import requests
from approvals.services import comment, withdraw
from approvals.showing import standing
from approvals.voting import approve_with_code, approve_with_passkey, reject
from identity.permissions import Permission
from identity.responses import committed
from identity.selectors import passkeys_of
from identity.web import requires
from msplex.decision.snapshot import snapshot
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.approval_forms import CommentForm, RejectForm, VoteForm, WishForm
from msplex.portal.asking import Wish, ask_for_approval
from msplex.portal.filters import ApprovalFilter
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from msplex.portal.security_forms import NO_ANSWER, PasskeyForm
from msplex.portal.selectors import names_of
from tenants.errors import DomainError, Invalid

PAGE, CARD = "portal/approvals/detail.html", "portal/approvals/card.html"
DONE = "Your vote counts for exactly what you were shown."


@requires(Permission.GATEWAY_CALL_READ)
def approvals(request: PortalRequest) -> HttpResponse:
    """What waits for the person first, if they can decide."""
    query = request.GET.copy()
    if request.principal.allows(Permission.APPROVALS_REQUEST_DECIDE):
        query.setdefault("show", "waiting")
    narrowed = ApprovalFilter(query, requests(), request=request)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "page": stretch(narrowed.qs, request.GET), "filtered": filtered}
    return render(request, "portal/approvals/list.html", context | {"shown": query.get("show", "")})


@requires(Permission.GATEWAY_CALL_READ)
@never_cache
def approval(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, PAGE, _about(request, one(requests(), pk)))


@requires(Permission.GATEWAY_CALL_READ)
@never_cache
def approval_card(request: PortalRequest, pk: UUID) -> HttpResponse:
    """The same for a phone: what it is about, and the two answers."""
    return render(request, CARD, _about(request, one(requests(), pk)))


@requires(Permission.GATEWAY_TOOL_WRITE)
def approval_new(request: PortalRequest) -> HttpResponse:
    form = WishForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            found = ask_for_approval(_wish(form), principal=request.principal, by=request.actor)
            return redirect("portal:approval", found.pk)
    context = {"form": form, "tools": list(snapshot().tools)}
    return (mend if request.method == "POST" else render)(request, "portal/approvals/form.html", context)


@requires(Permission.APPROVALS_REQUEST_DECIDE)
@require_POST
@never_cache
def approval_approve(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(requests(), pk), VoteForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            given = form.cleaned_data
            if approve_with_code(
                found, principal=request.principal, code=given["code"], digest=given["digest"], by=request.actor
            ):
                return _done(request, pk)
            form.add_error("code", VoteRefused().message)
    return committed(mend(request, _page(request), _about(request, one(requests(), pk)) | {"vote": form}))


@requires(Permission.APPROVALS_REQUEST_DECIDE)
@require_POST
@never_cache
def approval_passkey(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(requests(), pk), PasskeyForm(request.POST)
    refused = NO_ANSWER
    if form.is_valid():
        try:
            if approve_with_passkey(found, principal=request.principal, **form.cleaned_data, by=request.actor):
                return _done(request, pk)
            refused = VoteRefused().message
        except DomainError as error:
            refused = error.message
    return committed(mend(request, _page(request), _about(request, one(requests(), pk)) | {"refused": refused}))


@requires(Permission.APPROVALS_REQUEST_DECIDE)
@require_POST
def approval_reject(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(requests(), pk), RejectForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            reject(found, principal=request.principal, reason=form.cleaned_data["reason"], by=request.actor)
            return _back(request, pk)
    return mend(request, _page(request), _about(request, found) | {"rejection": form})


@requires(Permission.GATEWAY_TOOL_WRITE)
@require_POST
def approval_withdraw(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(requests(), pk)
    work = lambda: withdraw(found, principal=request.principal, by=request.actor)  # noqa: E731
    carry_out(request, work, "The request is withdrawn.")
    return redirect("portal:approval", pk)


@requires(Permission.APPROVALS_REQUEST_DECIDE)
@require_POST
def approval_comment(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(requests(), pk), CommentForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            comment(found, form.cleaned_data["text"], by=request.actor)
            return redirect("portal:approval", pk)
    return mend(request, PAGE, _about(request, found) | {"remark": form})


def _wish(form: WishForm) -> Wish:
    given = form.cleaned_data
    customer = given["customer"]
    if customer is None:
        raise Invalid("Choose a customer.", field="customer")
    others = [str(each.pk) for each in given["others"] if each != customer]
    return Wish(
        given["tool"], str(customer.pk), given["arguments"], given["reason"], given["ticket"], given["approvers"] or 0,
        (str(customer.pk), *others) if others else (),
    )  # fmt: skip


def _about(request: PortalRequest, found: ApprovalRequest) -> dict[str, object]:
    return {
        "standing": standing(found, request.principal),
        "request_": found,
        "held": terms_shown(found),
        "vote": VoteForm(initial={"digest": shown_digest(found)}),
        "rejection": RejectForm(),
        "remark": CommentForm(),
        "answers": names_of([found.answerable_id]).get(found.answerable_id, ""),
        "has_passkeys": passkeys_of(request.principal.id).exists(),
    }


def _done(request: PortalRequest, pk: UUID) -> HttpResponse:
    carry_out(request, lambda: None, DONE)
    return _back(request, pk)


def _page(request: PortalRequest) -> str:
    """The one that was answered from."""
    return CARD if "card" in request.GET else PAGE


def _back(request: PortalRequest, pk: UUID) -> HttpResponse:
    return redirect("portal:approval_card" if "card" in request.GET else "portal:approval", pk)


paths = [
    path("approvals/", approvals, name="approvals"),
    path("approvals/new/", approval_new, name="approval_new"),
    path("approvals/<uuid:pk>/", approval, name="approval"),
    path("approvals/<uuid:pk>/card/", approval_card, name="approval_card"),
    path("approvals/<uuid:pk>/approve/", approval_approve, name="approval_approve"),
    path("approvals/<uuid:pk>/approve/passkey/", approval_passkey, name="approval_passkey"),
    path("approvals/<uuid:pk>/reject/", approval_reject, name="approval_reject"),
    path("approvals/<uuid:pk>/withdraw/", approval_withdraw, name="approval_withdraw"),
    path("approvals/<uuid:pk>/comment/", approval_comment, name="approval_comment"),
]
