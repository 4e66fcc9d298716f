import pytest

from connectors.labels import looks_secret
from connectors.redaction import MASK
from connectors.shapes import Field


@pytest.mark.parametrize(
    "label",
    ["Admin password", "adminPassword", "ADMIN_PWD", "Pass", "Passphrase", "WiFi Key", "BitLocker Recovery Key",
     "API-Key", "apikey", "Licence key", "SNMP community", "PIN", "Alarm PIN code", "TOTP", "Client Secret",
     "Passwort", "Mot de passe", "Login credentials", "Auth token", None, 7],
)  # fmt: skip
def test_a_name_of_a_secret_is_known(label: object) -> None:
    assert looks_secret(label)


@pytest.mark.parametrize(
    "label",
    ["CPU", "Passed inspection", "Passport number", "Shipping address", "Opinion", "Keyboard", "Notes", "Monkey"],
)
def test_other_names_are_left_alone(label: str) -> None:
    assert not looks_secret(label)


def test_a_value_under_such_a_name_is_masked_and_a_missing_one_is_not() -> None:
    value = Field("value", label="name")

    assert value.pick({"name": "Admin password", "value": "hunter2"}) == MASK
    assert value.pick({"name": "Admin password", "value": ["hunter2"]}) == MASK
    assert value.pick({"name": "CPU", "value": "8 cores"}) == "8 cores"
    assert value.pick({"name": "Admin password", "value": None}) is None
