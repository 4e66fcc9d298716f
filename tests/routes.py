"""Every address of the portal's process, as the resolver knows it. Tests that walk them cannot forget one."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from identity.web import Declaration, declared_permission


@dataclasses.dataclass(frozen=True)
class Route:
    name: str  # with its namespace, as for reverse()
    view: Callable[..., Any]
    parameters: tuple[str, ...]

    @property
    def declared(self) -> Declaration:
        found = declared_permission(self.view)
        assert found is not None, f"{self.name} declares no permission"
        return found

    @property
    def actions(self) -> dict[str, str]:
        """Of an API view: method to action."""
        return dict(getattr(self.view, "actions", {}))

    def address(self, **values: object) -> str:
        return reverse(self.name, kwargs=values)


def routes(namespace: str) -> list[Route]:
    return [route for route in _walk(get_resolver("msplex.urls"), (), ()) if route.name.startswith(f"{namespace}:")]


def _walk(resolver: URLResolver, spaces: tuple[str, ...], outer: tuple[str, ...]) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        parameters = (*outer, *pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLPattern):
            yield Route(":".join((*spaces, pattern.name or "")), pattern.callback, parameters)
        else:
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _walk(pattern, inner, parameters)
