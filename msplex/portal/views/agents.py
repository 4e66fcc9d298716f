"""Agents of people: letting an MCP client in, and the list of those that were let in."""

from http import HTTPStatus
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_tables2 import RequestConfig

from identity import services
from identity.oauth import pace
from identity.oauth.authorize import FatalRefusal, RedirectedRefusal, check_request
from identity.oauth.requests import AuthorizationRequest
from identity.permissions import Permission
from identity.selectors import visible_agent_sessions
from identity.web import public, requires
from msplex.portal.agents import AgentsTable, ConsentForm
from msplex.portal.answers import PAGE_ROWS, carry_out, one, said_beside
from msplex.portal.clients import is_reachable, ways
from msplex.portal.requests import PortalRequest

EXPIRED = "This request is too old, or was changed on its way. Start again from the app that sent you here."


@public("a client sends a person here; they sign in at the next page")
@require_GET
@never_cache
def authorize(request: PortalRequest) -> HttpResponseBase:
    """Without any context: the client's document may have to be fetched, and that is never done in a transaction."""
    wait = pace.wait("document", request.client.address)
    if wait:
        return _refused(request, "Too many requests from your address. Try again in a minute.", status=429)
    try:
        asked = check_request(request)
    except FatalRefusal as refused:
        return _refused(request, str(refused))
    except RedirectedRefusal as refused:
        if refused.automatic:
            return _away(refused.uri)
        return _refused(request, str(refused), back=refused.uri)
    return redirect(f"{reverse('portal:agent_connect')}?{urlencode({'request': asked.sealed()})}")


def _refused(request: HttpRequest, sentence: str, *, status: int = 400, back: str = "") -> HttpResponse:
    context = {"sentence": sentence, "back": back, "host": urlsplit(back).hostname}
    return render(request, "portal/agents/refused.html", context, status=status)


def _away(uri: str) -> HttpResponse:
    """To an address that was checked against the client's own. Its scheme may be an app's."""
    response = HttpResponse(status=HTTPStatus.FOUND)
    response["Location"] = uri
    return response


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True)
@never_cache
def agent_connect(request: PortalRequest) -> HttpResponseBase:
    asked = AuthorizationRequest.read(request.GET.get("request", ""))
    if asked is None:
        return _refused(request, EXPIRED)
    form = ConsentForm(request.POST or None, principal=request.principal, asked=asked)
    if request.method != "POST":
        return _page(request, asked, form)
    if "deny" in request.POST:
        services.refuse_agent(request.principal, asked.client, by=request.actor)
        return _away(asked.refusal("access_denied"))
    if form.is_valid():
        with said_beside(form):
            customer = form.cleaned_data["customer"]
            onward = services.connect_agent(asked, principal=request.principal, customer=customer, by=request.actor)
            return _away(onward)
    return _page(request, asked, form)


def _page(request: PortalRequest, asked: AuthorizationRequest, form: ConsentForm) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    response = render(request, "portal/agents/connect.html", {"asked": asked, "form": form}, status=status)
    # The answer to this form is a redirect to the client, which browsers hold against the form's own policy.
    response._csp_update = {"form-action": [_source(asked.redirect_uri)]}  # type: ignore[attr-defined]
    return response


def _source(uri: str) -> str:
    """As a source of a content security policy, which has no word for an IPv6 address."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


@requires(Permission.PORTAL_DASHBOARD_READ)
def agent_clients(request: PortalRequest) -> HttpResponse:
    gateway = settings.GATEWAY_RESOURCE
    return render(request, "portal/agents/clients.html", {"ways": ways(gateway), "reachable": is_reachable(gateway)})


@requires(Permission.PORTAL_DASHBOARD_READ)
def agents(request: PortalRequest) -> HttpResponse:
    table = AgentsTable(visible_agent_sessions(request.principal))
    RequestConfig(request, paginate={"per_page": PAGE_ROWS}).configure(table)
    return render(request, "portal/agents/list.html", {"table": table, "gateway": settings.GATEWAY_RESOURCE})


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def agent_end(request: PortalRequest, pk: UUID) -> HttpResponseBase:
    session = one(visible_agent_sessions(request.principal), pk)
    done = f"{session.application.name} is disconnected. Its next request is refused."
    carry_out(request, lambda: services.end_agent_session(session.pk, by=request.actor), done)
    return redirect("portal:agents")
