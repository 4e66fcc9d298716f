"""Failures become pages that say what to do, and say nothing else."""

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.test import Client as Browser
from django.urls import path

from identity.web import public
from msplex import errors
from msplex.urls import handler400, handler403, handler404, handler500  # noqa: F401 -- Django looks for them here
from tenants.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable

SECRET = "postgres://user:hunter2@db"


def raising(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    @public("a test")
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


VIEWS = {
    "invalid": raising(Invalid("The key is taken.", code="key_taken")),
    "not-allowed": raising(NotAllowed("You may not.")),
    "conflict": raising(Conflict("Somebody was faster.")),
    "unavailable": raising(Unavailable("The audit log does not answer.", code="audit_unavailable")),
    "not-found": raising(NotFound("customer 42 of globex")),
    "denied": raising(PermissionDenied(SECRET)),
    "suspicious": raising(SuspiciousOperation(SECRET)),
    "broken": raising(RuntimeError(SECRET)),
    "post-only": public("a test")(lambda _: HttpResponseNotAllowed(["POST"])),
    "too-many": public("a test")(lambda _: HttpResponse(status=429, headers={"Retry-After": "30"})),
}
urlpatterns = [path(name, view) for name, view in VIEWS.items()]


@pytest.fixture(autouse=True)
def _own_urls(settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def browser() -> Browser:
    return Browser(raise_request_exception=False)


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("invalid", 400, "The key is taken."),
        ("suspicious", 400, errors.PAGES[400].sentence),
        ("not-allowed", 403, "You may not."),
        ("denied", 403, errors.PAGES[403].sentence),
        ("not-found", 404, errors.PAGES[404].sentence),
        ("nothing-here", 404, errors.PAGES[404].sentence),
        ("post-only", 405, errors.PAGES[405].sentence),
        ("conflict", 409, "Somebody was faster."),
        ("too-many", 429, errors.PAGES[429].sentence),
        ("broken", 500, errors.PAGES[500].sentence),
        ("unavailable", 503, "The audit log does not answer."),
    ],
)
def test_failure_is_a_page(browser: Browser, name: str, status: int, said: str) -> None:
    response = browser.get(f"/{name}")

    assert response.status_code == status
    assert said in response.content.decode()
    assert SECRET not in response.content.decode()
    assert "globex" not in response.content.decode()


def test_unknown_address_is_like_a_missing_object(browser: Browser) -> None:
    assert browser.get("/not-found").content == browser.get("/nothing-here").content


def test_headers_that_say_what_to_do_stay(browser: Browser) -> None:
    assert browser.get("/post-only")["Allow"] == "POST"
    assert browser.get("/too-many")["Retry-After"] == "30"


def test_code_is_shown_so_that_it_can_be_reported(browser: Browser) -> None:
    assert "audit_unavailable" in browser.get("/unavailable").content.decode()


def test_pages_carry_the_strict_policy(browser: Browser) -> None:
    policy = browser.get("/nothing-here")["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
