"""The pictures of the installed app are the drawing of ours, and a real browser would install it.

`MSPLEX_DRAW_ICONS=1 make test T=tests/portal/test_icons.py` draws them again, after a change of static/img/mark.svg.
"""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Page

from identity.roles import Role
from msplex.runtime.home import ROOT
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_member
from tests.portal.conftest import CHROMIUM, QUIET

IMAGES = ROOT / "static" / "img"
# Name: pixels, and whether it has the drawing's round corners; a platform cuts the others itself.
ICONS = {
    "icon-192": (192, True),
    "icon-512": (512, True),
    "icon-maskable-512": (512, False),
    "apple-touch-icon": (180, False),
}
COLOURS = 64
KINDS = "urls => Promise.all(urls.map(url => fetch(url).then(answer => answer.headers.get('content-type'))))"
pytestmark = pytest.mark.browser


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


def drawn(page: Page, size: int, *, round_corners: bool) -> Image.Image:
    drawing = (IMAGES / "mark.svg").read_text()
    source = drawing if round_corners else drawing.replace(' rx="6"', "")
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(f"<style>*{{margin:0}}svg{{display:block;width:{size}px;height:{size}px}}</style>{source}")
    picture = Image.open(io.BytesIO(page.screenshot(omit_background=round_corners)))
    return picture.convert("RGBA" if round_corners else "RGB")


def draw(picture: Image.Image, name: str) -> None:
    method = Image.Quantize.FASTOCTREE if picture.mode == "RGBA" else Image.Quantize.MEDIANCUT
    picture.quantize(COLOURS, method=method).save(IMAGES / f"{name}.png", optimize=True)


@pytest.mark.parametrize("name", ICONS)
def test_each_icon_is_the_mark(page: Page, name: str) -> None:
    size, round_corners = ICONS[name]
    wanted = drawn(page, size, round_corners=round_corners)
    if os.environ.get("MSPLEX_DRAW_ICONS"):
        draw(wanted, name)

    with Image.open(IMAGES / f"{name}.png") as kept:
        found = kept.convert(wanted.mode)
    assert found.size == (size, size)
    difference = ImageChops.difference(found, wanted).convert("L").histogram()
    far = sum(difference[64:])  # edges are drawn a little differently by each release of the browser
    assert far < size * size / 100


def test_what_a_platform_cuts_is_whole_to_its_edges() -> None:
    for name in ("icon-maskable-512", "apple-touch-icon"):
        with Image.open(IMAGES / f"{name}.png") as found:
            picture = found.convert("RGBA")
        corners = [(x, y) for x in (0, picture.width - 1) for y in (0, picture.height - 1)]
        assert {picture.getpixel(corner)[3] for corner in corners} == {255}


@pytest.fixture
def installing(chromium: Browser, portal_url: str, tmp_path: Path) -> Iterator[Page]:
    """A browser that keeps what it is told: a private one installs nothing."""
    opened = chromium.browser_type.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=QUIET, base_url=portal_url
    )
    yield opened.new_page()
    opened.close()


def test_a_browser_finds_nothing_that_keeps_it_from_installing_the_portal(
    installing: Page, portal_url: str, world: TenantWorld
) -> None:
    name = settings.SESSION_COOKIE_NAME
    value = make_member(world, Role.ADMIN).browser().cookies[name].value
    installing.context.add_cookies([{"name": name, "value": value, "url": portal_url}])
    installing.goto(reverse("portal:notifications"))
    installing.evaluate("navigator.serviceWorker.ready.then(() => null)")
    devtools = installing.context.new_cdp_session(installing)

    manifest = devtools.send("Page.getAppManifest")
    found = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]

    assert manifest["url"].endswith(reverse("manifest"))
    assert manifest["errors"] == []
    assert found == []
    sources = [icon["src"] for icon in json.loads(manifest["data"])["icons"]]
    kinds = installing.evaluate(KINDS, sources)
    assert kinds == ["image/png"] * 3 + ["image/svg+xml"]
