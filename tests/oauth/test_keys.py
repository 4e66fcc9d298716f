"""Signing keys change while tokens of the one before are about."""

import time

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from identity.errors import TokenRefused
from identity.tokens import read_access_token
from tests.factories import make_tenant
from tests.identity.factories import make_machine


@pytest.fixture
def files(tmp_path, monkeypatch):
    paths = {}
    for name in ("SIGNING", "VERIFY"):
        paths[name] = tmp_path / name
        paths[name].write_text(getattr(settings, f"TOKEN_{name}_KEY"))
        monkeypatch.setenv(f"MSPLEX_TOKEN_{name}_KEY_FILE", str(paths[name]))
    return paths


def restart(settings, files, *names: str) -> None:
    """A process reads its keys at its start."""
    for name in names:
        setattr(settings, f"TOKEN_{name}_KEY", files[name].read_text().strip())


def read(token: str):
    return read_access_token(token, audience=settings.GATEWAY_RESOURCE)


def test_old_tokens_live_on_while_new_ones_are_signed_with_the_newest_key(settings, files):
    machine = make_machine(make_tenant())
    before = machine.token()

    call_command("rotate_token_key", verbosity=0)
    restart(settings, files, "VERIFY")  # the gateway, and the old portal still signs
    between = machine.token()
    restart(settings, files, "SIGNING")
    after = machine.token()

    assert [read(token).principal_id for token in (before, between, after)] == [machine.id] * 3
    assert before.split(".")[0] == between.split(".")[0] != after.split(".")[0]
    assert len(Browser().get("/.well-known/jwks.json").json()["keys"]) == 2


def test_a_retired_key_is_not_believed_any_more(settings, files):
    machine = make_machine(make_tenant())
    before = machine.token()
    call_command("rotate_token_key")
    restart(settings, files, "VERIFY", "SIGNING")
    after = machine.token()

    call_command("rotate_token_key", "--retire")
    restart(settings, files, "VERIFY", "SIGNING")

    assert read(after).expires_at > time.time()
    with pytest.raises(TokenRefused):
        read(before)
    assert len(Browser().get("/.well-known/jwks.json").json()["keys"]) == 1


def test_the_private_keys_stay_private(files):
    call_command("rotate_token_key")

    assert files["SIGNING"].stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in files["VERIFY"].read_text()


def test_the_command_wants_to_know_the_files(monkeypatch):
    with pytest.raises(CommandError, match="MSPLEX_TOKEN_SIGNING_KEY_FILE"):
        call_command("rotate_token_key", "--verify", "x")
