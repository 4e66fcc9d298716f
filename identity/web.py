"""Which permission a view needs. Every address has one of the two decorators; a test walks them all."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url

from audit.lag import require_sealing
from identity.errors import PermissionMissing
from identity.interrupted import keep
from identity.permissions import Permission
from identity.responses import committed
from identity.step_up import is_recent
from tenants.errors import DomainError

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
ATTRIBUTE = "declared_permission"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """Exactly one is set: the permission, the permission of each action, or why everyone may."""

    permission: Permission | None = None
    actions: Mapping[str, Permission] | None = None
    public: str = ""
    recent_mfa: bool | frozenset[str] = False  # of a view; for a viewset, the methods that need it
    secret: bool = False  # what it shows, too, is only for who gave a second factor lately


def requires(
    permission: Permission,
    *,
    recent_mfa: bool = False,
    secret: bool = False,
    unkept: frozenset[str] = frozenset(),
) -> Callable[[View], View]:
    """Only for those who hold it, for the tenant or for some customer; the database narrows what they see.

    `recent_mfa`: what changes something also needs a second factor of the last minutes, and asks for it.
    `secret`: so does what the page shows.
    `unkept`: the fields that are not kept meanwhile, because they are secret.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            principal = getattr(request, "principal", None)
            if principal is None:
                return _refuse(request)
            if not principal.allows(permission):
                raise PermissionMissing(permission)
            if request.method not in SAFE:
                require_sealing()
            if recent_mfa and (secret or request.method not in SAFE) and not is_recent(principal):
                return confirm_first(request, unkept)
            return view(request, *args, **kwargs)

        setattr(wrapped, ATTRIBUTE, Declaration(permission=permission, recent_mfa=recent_mfa, secret=secret))
        return wrapped  # type: ignore[return-value]

    return decorate


def public(reason: str) -> Callable[[View], View]:
    """For everyone, signed in or not; `reason` says why."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs)

        setattr(wrapped, ATTRIBUTE, Declaration(public=reason))
        return wrapped  # type: ignore[return-value]

    return decorate


def declared_permission(view: Callable[..., Any]) -> Declaration | None:
    """What a resolved URL's callback declares; None: it is open by mistake."""
    declared = getattr(view, ATTRIBUTE, None)
    if isinstance(declared, Declaration):
        return declared
    actions = getattr(view, "actions", None)
    required = getattr(getattr(view, "cls", None), "required_permissions", None)
    if actions and required is not None and set(actions.values()) <= set(required):
        confirmed = getattr(view, "cls").recent_mfa_actions  # noqa: B009 -- a viewset's function has it, mypy cannot see
        return Declaration(
            actions={method: required[action] for method, action in actions.items()},
            recent_mfa=frozenset(method for method, action in actions.items() if action in confirmed),
        )
    return None


def _refuse(request: HttpRequest) -> HttpResponse:
    """With the reason that the middleware found, if there is one to tell; else by asking for a sign-in."""
    refused: DomainError | None = getattr(request, "refused", None)
    if refused is not None:
        raise refused
    return sign_in_first(request)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back here after. A partial update is told to load the whole page."""
    target = request.get_full_path() if request.method == "GET" else "/"
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=401)
        response["HX-Redirect"] = resolve_url(settings.LOGIN_URL)
        return response
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': target})}")


def confirm_first(request: HttpRequest, unkept: frozenset[str]) -> HttpResponseBase:
    """To the page that asks for a code. What was sent waits in the session, and is shown again there."""
    keep(request, unkept=unkept)
    target = resolve_url(settings.STEP_UP_URL)
    if request.headers.get("HX-Request") == "true":
        return committed(HttpResponse(status=401, headers={"HX-Redirect": target}))
    return redirect(target)
