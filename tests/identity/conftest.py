import pytest


@pytest.fixture(autouse=True)
def _own_urls(settings):
    settings.ROOT_URLCONF = "tests.identity.urls"
    settings.LOGIN_URL = "/sign-in"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("msplex.")]


@pytest.fixture
def whole_portal(_own_urls, settings):
    """With the portal's addresses and pages, which the other tests of identity leave out."""
    from msplex import settings as product  # noqa: PLC0415 -- it reads the environment that tests/conftest.py makes

    settings.ROOT_URLCONF, settings.MIDDLEWARE = product.ROOT_URLCONF, product.MIDDLEWARE
    settings.LOGIN_URL = product.LOGIN_URL


@pytest.fixture(autouse=True)
def _no_floor(monkeypatch):
    """Refusals take their time on purpose; here they need not."""
    monkeypatch.setattr("identity.services.sign_in.REFUSAL_SECONDS", 0)
