"""As much of a browser as a form needs: cookies, redirects, hidden fields. No script: the portal works without."""

import http.cookiejar
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

from msplex.runtime.smoke.proof import expect

_TIMEOUT = 10


@dataclass(frozen=True)
class Page:
    address: str
    status: int
    text: str


@dataclass
class Form:
    action: str
    values: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag in {"input", "select", "textarea"} and self.forms and "name" in given:
            self.forms[-1].values[given["name"]] = given.get("value", "")


class Browser:
    def __init__(self) -> None:
        self.cookies = http.cookiejar.CookieJar()
        # No proxy from the environment: everything here is on this machine.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, address: str) -> Page:
        return self._open(urllib.request.Request(address))  # noqa: S310 - our own addresses

    def submit(self, page: Page, *, to: str = "", **typed: str) -> Page:
        """Fill in the form that has these fields, as they are named (or whose address has `to` in it), and send it."""
        forms = _Forms()
        forms.feed(page.text)
        fitting = (form for form in forms.forms if typed.keys() <= form.values.keys() and to in form.action)
        form = next(fitting, None)
        expect(form, f"{page.address} ({page.status}) has no form {to} with the fields {', '.join(typed)}")
        assert form  # noqa: S101 - said to the type checker
        return self._post(urljoin(page.address, form.action), form.values | typed, referrer=page.address)

    def _post(self, address: str, values: Mapping[str, str], *, referrer: str) -> Page:
        body = urlencode(values).encode()
        origin = "/".join(referrer.split("/")[:3])
        headers = {"Referer": referrer, "Origin": origin}
        return self._open(urllib.request.Request(address, body, headers))  # noqa: S310

    def _open(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return Page(answer.url, answer.status, answer.read().decode())
        except HTTPError as refusal:
            with refusal:
                return Page(request.full_url, refusal.code, refusal.read().decode())
