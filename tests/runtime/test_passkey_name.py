"""The portal does not start in production with a name that passkeys could not be made for."""

import pytest

from msplex.guard import passkey_problems


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("msplex.example.org", ""),
        ("example.org", ""),
        ("", "is missing"),
        ("example.com", "must be msplex.example.org"),
        ("plex.example.org", "must be msplex.example.org"),
        ("a.msplex.example.org", "must be msplex.example.org"),
    ],
)
def test_name_is_the_hosts_or_its_parents(settings, name: str, said: str) -> None:
    settings.PUBLIC_URL = "https://msplex.example.org"
    settings.WEBAUTHN_RP_ID = name

    problems = list(passkey_problems())

    assert [said in problem for problem in problems] == ([True] if said else [])
