"""What an event says of itself in a history, whatever its record holds."""

from types import SimpleNamespace

import pytest

from msplex.templatetags.portal import details

SAID = [
    ({"before": {"name": "Al"}, "after": {"name": "Alice"}}, "name from Al to Alice"),
    ({"after": {"email": "a@x.example"}}, "email from nothing to a@x.example"),
    ({"before": "degraded", "after": "healthy"}, "from degraded to healthy"),
    ({"after": "healthy"}, "from nothing to healthy"),
    ({"before": "Laptop", "name": "Desk"}, ""),
    ({"method": "passkey", "reason": "Night shift"}, "passkey, reason: Night shift"),
]


@pytest.mark.parametrize(("facts", "said"), SAID)
def test_details_are_told_of_every_shape(facts: dict[str, object], said: str) -> None:
    assert details(SimpleNamespace(facts=facts)) == said
