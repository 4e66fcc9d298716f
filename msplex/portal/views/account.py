from dataclasses import dataclass

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from identity import services
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.requests import PortalRequest

YEAR = 365 * 24 * 60 * 60
THEME_COOKIE = "msplex_theme"
THEMES = (("auto", "System", "monitor"), ("light", "Light", "sun"), ("dark", "Dark", "moon"))


@dataclass(frozen=True, slots=True)
class Theme:
    value: str
    label: str
    icon: str
    chosen: bool


@requires(Permission.PORTAL_DASHBOARD_READ)
def account(request: PortalRequest) -> HttpResponse:
    chosen = request.COOKIES.get(THEME_COOKIE, "auto")
    context = {
        "themes": [Theme(value, label, icon, value == chosen) for value, label, icon in THEMES],
        "app": selectors.has_authenticator(request.user),
        "codes_left": selectors.recovery_codes_left(request.user),
        "grants": request.principal.grants,
    }
    return render(request, "portal/account/account.html", context)


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def theme(request: PortalRequest) -> HttpResponseBase:
    wanted = request.POST.get("theme")
    response = redirect("portal:account")
    if wanted in {"light", "dark"}:
        secure = request.is_secure()
        response.set_cookie(THEME_COOKIE, wanted, max_age=YEAR, samesite="Lax", httponly=True, secure=secure)
    else:
        response.delete_cookie(THEME_COOKIE)
    return response


@requires(Permission.PORTAL_DASHBOARD_READ, recent_mfa=True)
@require_POST
@never_cache
def recovery_codes(request: PortalRequest) -> HttpResponse:
    """Shown in the answer to the click, and nowhere else."""
    codes = services.renew_recovery_codes(services.Own.of(request.principal, request.actor))
    return render(request, "portal/account/codes.html", {"codes": codes})
