"""The one way to a vendor: the credential opened for one purpose, and HTTP that goes only there, at its pace."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from connectors.breaker import Breaker
from connectors.broker import Own, Purpose, open_secret
from connectors.contract import Connection, Connector, OwnCredentials
from connectors.metrics import count_requests
from connectors.models import ConnectorInstance, CustomerMapping
from connectors.network import Limits, VendorHttp
from connectors.pace import Pace
from connectors.readiness import needs_own


def own_of(connector: Connector, mapping: CustomerMapping, instance: ConnectorInstance) -> Own | None:
    """With whose credential the vendor is asked for this customer; None: the connector has none for single ones."""
    if connector.own_credentials is OwnCredentials.NONE:
        return None
    return Own(mapping.customer_id, mapping.external_id, required=needs_own(connector, instance))


@contextmanager
def reached(
    instance: ConnectorInstance,
    connector: Connector,
    purpose: Purpose,
    *,
    own: Own | None = None,
    limits: Limits | None = None,
    checks: bool = False,
    discovers: bool = False,
) -> Iterator[Connection]:
    """Until the block ends, then the secret is wiped. Not inside a transaction; errors as `open_secret`.

    `own`: for the one customer, with its own credential if it has one. Pace and breaker are of whichever it is.
    `checks`: a health check always tries, and from the share of the vendor's limit that calls leave it.
    `discovers`: the addresses where the vendor is described may be asked, too.
    """
    with open_secret(instance, purpose, own) as opened:
        name = str(opened.credential_ref)
        pace = Pace(name) if checks else Pace(name, connector.rate(instance.settings))
        http = VendorHttp(
            settings.VENDOR_NETWORKS,
            limits,
            reach=connector.reach(instance.settings, discovers=discovers),
            pace=pace,
            breaker=Breaker(name, connector.key, always=checks),
        )
        try:
            yield Connection(instance.settings, opened.secrets, http, name)
        finally:
            count_requests(connector.key, http.requests, http.exchanges)
