"""The portal as an app on a phone: what it is called, what is there without a network, and the script for that.

None of it is a tenant's, or needs somebody to be known; the script keeps nothing else (static/js/worker.js).
"""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse

from identity.web import public

WORKER = Path(settings.BASE_DIR) / "static" / "js" / "worker.js"
COLOUR = "#2b51cf"  # --brand-solid of static/css/tokens.css


@public("a browser asks for it before anybody has signed in, and without a cookie")
def manifest(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    said = {
        "id": "/notifications/",
        "name": "MSPlex",
        "short_name": "MSPlex",
        "start_url": reverse("portal:notifications"),
        "scope": "/",
        "display": "standalone",
        "theme_color": COLOUR,
        "background_color": COLOUR,
        "icons": _icons(),
    }
    return JsonResponse(said, content_type="application/manifest+json")


def _icons() -> list[dict[str, str]]:
    """Drawn from mark.svg (tests/portal/test_icons.py): phones take PNG, browsers the drawing itself."""
    drawn = (
        ("icon-192.png", "192x192", "any"),
        ("icon-512.png", "512x512", "any"),
        ("icon-maskable-512.png", "512x512", "maskable"),
    )
    pictures = [
        {"src": static(f"img/{name}"), "type": "image/png", "sizes": sizes, "purpose": purpose}
        for name, sizes, purpose in drawn
    ]
    return [*pictures, {"src": static("img/mark.svg"), "type": "image/svg+xml", "sizes": "any", "purpose": "any"}]


@public("a script of ours, the same for everybody")
def worker(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Allowed for the whole portal, and looked at anew each time."""
    answer = HttpResponse(WORKER.read_bytes(), content_type="text/javascript; charset=utf-8")
    answer["Service-Worker-Allowed"] = "/"
    answer["Cache-Control"] = "no-cache"
    return answer


@public("what an app says when there is no network; nothing of a tenant is on it")
def offline(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/offline.html")
