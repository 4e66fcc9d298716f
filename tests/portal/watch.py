"""What a browser complains about while a page is looked at."""

import dataclasses
import gzip

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Response

LISTEN = """
window.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
GRAVE = {"serious", "critical"}


@dataclasses.dataclass
class Watched:
    page: Page
    complaints: list[str] = dataclasses.field(default_factory=list)
    expected: set[int] = dataclasses.field(default_factory=set)  # statuses that a test provokes
    answers: list[Response] = dataclasses.field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        provoked = any(f"status of {status} " in message.text for status in self.expected)
        if message.type in {"error", "warning"} and not provoked:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def answered(self, response: Response) -> None:
        self.answers.append(response)
        if response.status >= 400 and response.status not in self.expected:
            self.complaints.append(f"{response.status} {response.url}")

    def compressed(self) -> int:
        """Bytes of everything that was fetched, as a server that compresses sends them."""
        return sum(len(gzip.compress(answer.body())) for answer in self.answers)


def watch(page: Page) -> Watched:
    watched = Watched(page)
    page.add_init_script(LISTEN)
    page.on("console", watched.heard)
    page.on("response", watched.answered)
    page.on("pageerror", lambda error: watched.complaints.append(f"{page.url}: {error}"))
    return watched


def barriers(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found if each["impact"] in GRAVE for node in each["nodes"]]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
