"""The edge where failures become pages, or problems for programs where no view of the API was reached.

The API's views have their own (identity.rest.problem), MCP its own (msplex.gateway).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables

from identity.rest import plain_problem
from msplex.access import route_of
from tenants.errors import DomainError

logger = logging.getLogger(__name__)
View = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    sentence: str


PAGES = {
    400: Words("That request is not right", "Go back, check what you entered and send it again."),
    403: Words("You may not do this", "Ask an owner or admin for the permission it needs."),
    404: Words("There is nothing here", "The address may be wrong, or the object may be gone."),
    405: Words("Not this way", "This page does not accept that kind of request. Go back and use its buttons."),
    409: Words("That does not fit any more", "Something changed meanwhile. Go back, reload the page and try again."),
    413: Words("That is too much", "What you sent is larger than this page accepts."),
    429: Words("Too many tries", "Wait a minute, then try again."),
    500: Words(
        "Something broke here", "Nothing was changed. If it happens again, tell the operator of this MSPlex when."
    ),
    503: Words(
        "Not available now", "Something that this needs does not answer. Nothing was changed; try again in a minute."
    ),
}
# Failures that are not the status's usual one.
OWN_WORDS = {
    "tenant_suspended": Words("This workspace is suspended", "Ask the deployment's provider to let it go on."),
}
CODES = {400: "bad_request", 403: "permission_denied", 404: "not_found", 500: "server_error"}
# What these say depends on nothing that was asked for, so that an unknown object and another tenant's look the same.
UNSPECIFIC = frozenset({400, 404, 405, 413, 500})


def page(request: HttpRequest, status: int, *, sentence: str = "", code: str = "") -> HttpResponse:
    words = OWN_WORDS.get(code) or PAGES.get(status, PAGES[400])
    context = {"status": status, "title": words.title, "sentence": sentence or words.sentence, "code": code}
    return render(request, "errors/page.html", context, status=status)


class ErrorPages:
    """Middleware: named failures of the portal's views, and bare refusals without a body, become pages."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        bare = response.status_code in PAGES and not response.streaming and not response.content
        if not bare or not wants_page(request):
            return response
        shown = page(request, response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                shown[name] = response[name]
        return shown

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DomainError) or not wants_page(request):
            return None
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("%s at %s", error.code, route_of(request))
        if error.status in UNSPECIFIC - {HTTPStatus.BAD_REQUEST}:
            return page(request, error.status)
        sentence = "" if error.code in OWN_WORDS else error.message
        return page(request, error.status, sentence=sentence, code=error.code)


def wants_page(request: HttpRequest) -> bool:
    return not request.path.startswith(("/api/", "/oauth/", "/.well-known/"))


def _failure(request: HttpRequest, status: int) -> HttpResponse:
    if wants_page(request):
        return page(request, status)
    detail = "Not found." if status == HTTPStatus.NOT_FOUND else PAGES[status].sentence
    return plain_problem(status, CODES[status], detail)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 -- Django's signature
    return _failure(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _failure(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _failure(request, 404)


@sensitive_variables()
def server_error(request: HttpRequest) -> HttpResponse:
    return _failure(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 -- it quotes headers
    logger.warning("CSRF refused at %s", route_of(request))
    sentence = "This form was too old, or did not come from here. Reload the page and send it again."
    return page(request, 403, sentence=sentence, code="csrf_refused")
