"""The summary as a PDF: tagged for screen readers (PDF/UA-1), and the same bytes for the same summary."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string

from audit.errors import PdfUnavailable
from audit.packs.summary import Row, Summary

STYLES = "css/pack.css"
TEMPLATE = "packs/summary.html"


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on the first page. `left_out` counts the events whose details a handover pack does not show."""

    tenant: str
    customer: str
    customer_id: str
    month: str
    cut_at: str
    origin: str
    size: int
    start: int
    k_from: int
    k_to: int
    interim: bool = False
    domain: str = ""
    left_out: int = 0
    erased: int = 0
    fingerprint: str = ""
    keys_url: str = ""


def render(cover: Cover, summary: Summary, health: Sequence[Row] = ()) -> bytes:
    """PdfUnavailable where the machine has no Pango. Seconds of work: in the worker, never in a request."""
    context = {"cover": cover, "summary": summary, "health": health}
    return write(render_to_string(TEMPLATE, context))


def write(html: str) -> bytes:
    """What is referred to is not fetched, neither from the network nor from this machine: that ends the work."""
    try:
        import weasyprint  # noqa: PLC0415 - loads Pango, which only a worker needs
    except OSError as error:
        raise PdfUnavailable from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    nothing = weasyprint.URLFetcher(allowed_protocols=(), fail_on_errors=True)
    made: bytes = weasyprint.HTML(string=html, url_fetcher=nothing).write_pdf(
        stylesheets=[weasyprint.CSS(string=_styles(), url_fetcher=nothing)],
        pdf_identifier=hashlib.sha256(html.encode()).digest()[:16],
        pdf_tags=True,
        pdf_variant="pdf/ua-1",
    )
    return made


def _styles() -> str:
    return (Path(settings.BASE_DIR) / "static" / STYLES).read_text()
