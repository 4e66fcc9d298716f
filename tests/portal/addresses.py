"""Every action of every address, with a request that changes nothing: its ids are of nothing, its body is empty."""

import dataclasses
import inspect
from collections.abc import Iterator
from uuid import uuid4

from django.http import HttpResponse
from django.test import Client

from tests.portal.ids import CATALOGUE
from tests.routes import Route, routes


@dataclasses.dataclass(frozen=True)
class Action:
    """`name` as identity.matrix writes it. Whoever is let in finds nothing."""

    name: str
    method: str
    route: Route

    @property
    def needs_recent_mfa(self) -> bool:
        declared = self.route.declared.recent_mfa
        return self.method in declared if isinstance(declared, frozenset) else declared

    def ask(self, browser: Client, method: str = "") -> HttpResponse:
        made = "halopsa" if self.route.name in CATALOGUE else str(uuid4())
        url = self.route.address(**dict.fromkeys(self.route.parameters, made))
        kind = "application/json" if url.startswith("/api/") else "application/x-www-form-urlencoded"
        return browser.generic((method or self.method).upper(), url, "{}" if "json" in kind else "", kind)  # type: ignore[return-value]


def actions() -> list[Action]:
    """All but the public ones, which say themselves why."""
    return [*_of_pages(), *_of_api()]


def _of_pages() -> Iterator[Action]:
    for route in routes("portal"):
        if not route.declared.public:
            for method in _methods(route):
                yield Action(route.name.partition(":")[2], method, route)


def _of_api() -> Iterator[Action]:
    for route in routes("api"):
        basename = route.view.initkwargs["basename"]  # type: ignore[attr-defined]
        for method, action in route.actions.items():
            yield Action(f"{basename}.{action}", method, route)


def _methods(route: Route) -> tuple[str, ...]:
    """Whether a page looks at what is posted. One that does so unseen is found by posting to those that only read."""
    source = inspect.getsource(inspect.unwrap(route.view))
    if "require_POST" in source:
        return ("post",)
    return ("get", "post") if "request.POST" in source or "request.method" in source else ("get",)
