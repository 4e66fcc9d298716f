"""The stub vendor, gateway and broker of tests/gateway, and the browser of tests/portal."""

from tests.gateway.conftest import broker_process, gateway_url  # noqa: F401 -- fixtures
from tests.portal.conftest import chromium, context, page, portal_url, stub_process, vendor, watched  # noqa: F401
