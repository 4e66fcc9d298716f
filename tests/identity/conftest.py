import pytest


@pytest.fixture(autouse=True)
def _own_urls(settings):
    settings.ROOT_URLCONF = "tests.identity.urls"
    settings.LOGIN_URL = "/sign-in"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("msplex.")]


@pytest.fixture(autouse=True)
def _no_floor(monkeypatch):
    """Refusals take their time on purpose; here they need not."""
    monkeypatch.setattr("identity.services.sign_in.REFUSAL_SECONDS", 0)
