import dataclasses

import pytest

from msplex.guard import KEYS, ROLES
from msplex.runtime.home import Unusable
from msplex.runtime.programs import Installation, Ports
from tenants.process import Process

RUNNING = [Process.PORTAL, Process.GATEWAY, Process.WORKER, Process.BROKER, Process.BEAT]


@pytest.mark.parametrize("process", RUNNING)
def test_process_gets_its_own_keys_and_no_others(installation: Installation, process: Process) -> None:
    environment = installation.environment(process)

    keys = {name for name in environment if name.startswith("MSPLEX_") and name.endswith("_FILE")}
    assert keys == {f"MSPLEX_{name}_FILE" for name in KEYS[process]}
    assert ("MSPLEX_BROKER_ROOT_KEY_FILE" in environment) == (process is Process.BROKER)
    assert ("MSPLEX_BROKER_KEYRING" in environment) == (process is Process.BROKER)


@pytest.mark.parametrize("process", RUNNING)
def test_process_logs_in_as_its_own_role(installation: Installation, process: Process) -> None:
    environment = installation.environment(process)

    role = ROLES.get(process)
    assert environment.get("DATABASE_URL", "").startswith(f"postgres://{role}:" if role else "")
    assert ("DATABASE_URL" in environment) == (role is not None)
    assert "topsecret" not in str(environment)


def test_process_sees_nothing_of_whoever_started_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody's")

    environments = [program.environment for program in installation.programs()]

    assert not any("AWS_SECRET_ACCESS_KEY" in environment for environment in environments)


def test_role_keeps_the_way_to_the_server(installation: Installation) -> None:
    url = installation.database_url("msplex_app")

    assert url.endswith("@/msplex?host=/run/sockets")


def test_vendor_has_no_key_and_no_database(installation: Installation) -> None:
    vendor = next(program for program in installation.programs() if program.name == "vendor")

    assert set(vendor.environment) == {"PATH", "PYTHONUNBUFFERED", "MSPLEX_HOME"}


def test_ports_follow_the_first_one() -> None:
    assert Ports.chosen({"MSPLEX_PORT": "9100", "MSPLEX_VENDOR_PORT": "9500"}) == Ports(9100, 9101, 9500)


def test_port_that_is_no_number_is_named() -> None:
    with pytest.raises(Unusable, match="MSPLEX_PORT"):
        Ports.chosen({"MSPLEX_PORT": "eighty"})


def test_each_process_tells_its_numbers_at_a_port_of_its_own_if_they_are_wanted(installation: Installation) -> None:
    wanted = dataclasses.replace(installation, overrides={"MSPLEX_METRICS_PORT": "9400"})

    told = {each.name: each.environment.get("MSPLEX_METRICS_ADDRESS") for each in wanted.programs()}

    names = ["sealer", "broker", "worker", "calls", "beat", "portal", "gateway"]
    assert told == {"vendor": None, **{name: str(9400 + place) for place, name in enumerate(names)}}
    assert not any("MSPLEX_METRICS_ADDRESS" in each.environment for each in installation.programs())


def test_doors_log_in_lines_of_json_in_production_and_where_it_is_wanted(installation: Installation) -> None:
    def says(**changes: object) -> set[bool]:
        found = dataclasses.replace(installation, **changes).programs()  # type: ignore[arg-type]
        return {"--json-lines" in each.command for each in found if "msplex.door" in each.command}

    assert says() == {False}
    assert says(mode="production") == {True}
    assert says(overrides={"MSPLEX_LOG_FORMAT": "json"}) == {True}
    assert says(mode="production", overrides={"MSPLEX_LOG_FORMAT": "text"}) == {False}
