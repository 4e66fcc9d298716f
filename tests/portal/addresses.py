"""Every address of the deployment, with a request for each method it takes, made up so that it changes nothing."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from identity.web import Declaration, declared_permission

KNOWN = {"key": "halopsa"}
CATALOGUE = {"connector.retrieve": "halopsa"}  # the catalogue is code: its entries have no ids of a tenant


@dataclasses.dataclass(frozen=True)
class Address:
    """`name` as identity.matrix writes it; ids are of nothing, so that whoever is let in finds nothing."""

    name: str
    methods: tuple[str, ...]
    url: str
    declared: Declaration

    def ask(self, browser: Browser, method: str) -> Any:
        return browser.generic(method.upper(), self.url, "{}" if self.url.startswith("/api/") else "", self._type)

    @property
    def _type(self) -> str:
        return "application/json" if self.url.startswith("/api/") else "application/x-www-form-urlencoded"


def addresses() -> list[Address]:
    """All but the public ones, which say themselves why."""
    return [address for address in _all() if not address.declared.public]


def _all() -> Iterator[Address]:
    for pattern, namespace in _patterns(get_resolver("msplex.urls"), ""):
        declared = declared_permission(pattern.callback)
        assert declared is not None, pattern
        cls = getattr(pattern.callback, "cls", None)
        if declared.actions is None or cls is None:
            yield Address(pattern.name or "", _methods(pattern), _url(pattern, namespace, ""), declared)
            continue
        for method, action in pattern.callback.actions.items():
            name = f"{pattern.callback.initkwargs['basename']}.{action}"
            yield Address(name, (method,), _url(pattern, namespace, name), declared)


def _methods(pattern: URLPattern) -> tuple[str, ...]:
    """Whether a page looks at what is posted. One that does so unseen is found by posting to those that only read."""
    source = inspect.getsource(inspect.unwrap(pattern.callback))
    if "require_POST" in source:
        return ("post",)
    return ("get", "post") if "request.POST" in source or "request.method" in source else ("get",)


def _url(pattern: URLPattern, namespace: str, name: str) -> str:
    names = pattern.pattern.regex.groupindex
    made = {key: KNOWN.get(key, CATALOGUE.get(name, str(uuid4()))) for key in names}
    return reverse(f"{namespace}{pattern.name}", kwargs=made) if pattern.name else "/"


def _patterns(resolver: URLResolver, namespace: str) -> Iterator[tuple[URLPattern, str]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _patterns(pattern, inner)
        else:
            yield pattern, namespace
