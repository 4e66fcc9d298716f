"""What is counted of vendors: by connector, never by connection."""

from collections.abc import Iterable

from connectors.exchanges import Exchange
from tenants.counting import counter, histogram

# The catalogue's, which imports what is counted here.
CONNECTORS = ("halopsa", "connectwise", "hudu", "itglue", "ninjaone", "pax8", "mcp", "openapi")
_OUTCOMES = ("2xx", "3xx", "4xx", "429", "5xx", "timeout", "no_answer", "uncounted")
TOO_MANY = 429
VENDOR_REQUESTS = counter(
    "msplex_vendor_requests_total", "Requests to vendors", connector=CONNECTORS, outcome=_OUTCOMES
)
VENDOR_SECONDS = histogram("msplex_vendor_request_seconds", "How long vendors took to answer", connector=CONNECTORS)
OPENS = counter("msplex_credential_opens_total", "Credentials asked for by the broker", outcome=("opened", "refused"))
BREAKS = counter("msplex_breaker_openings_total", "Vendors left alone after failures in a row", connector=CONNECTORS)
HELD = counter(
    "msplex_vendor_held_total", "Requests not sent, as their vendor fails or is too busy", reason=("breaker", "pace")
)


def count_requests(connector: str, requests: int, exchanges: Iterable[Exchange]) -> None:
    """Of one call; of its requests only the first are described."""
    described = 0
    for exchange in exchanges:
        described += 1
        VENDOR_REQUESTS.add(connector, _outcome(exchange))
        VENDOR_SECONDS.observe(exchange.milliseconds / 1000, connector)
    if requests > described:
        VENDOR_REQUESTS.add(connector, "uncounted", amount=requests - described)


def _outcome(exchange: Exchange) -> str:
    if not exchange.status:
        return "timeout" if exchange.trouble == "vendor_timeout" else "no_answer"
    return "429" if exchange.status == TOO_MANY else f"{exchange.status // 100}xx"
