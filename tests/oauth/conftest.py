"""The stub vendor, gateway and broker of tests/gateway."""

from tests.connectors.conftest import stub_process, vendor  # noqa: F401
from tests.gateway.conftest import broker_process, gateway_url  # noqa: F401 -- fixtures
