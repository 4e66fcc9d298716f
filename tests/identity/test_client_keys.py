"""The public keys that automation signs its assertions with: registered, two at once, revoked for good."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import IntegrityError, transaction
from django.utils import timezone
from joserfc.jwk import ECKey, OKPKey

from audit.selectors import events
from identity.errors import OwnerInactive
from identity.letters import message_of
from identity.models import Mail, ServiceAccount, ServiceAccountKey
from identity.roles import Role
from identity.services import (
    add_key,
    disable_principal,
    revoke_key,
    rotate_secret,
)
from tenants.errors import Conflict, Invalid
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Machine, make_machine
from tests.identity.signing import Signer, b64, new_key, present, public_key


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def machine(acme: TenantWorld) -> Machine:
    return make_machine(acme)


def add(machine: Machine, given: str, **kwargs: Any) -> ServiceAccountKey:
    with machine.world.acting():
        return add_key(machine.account, public_key=given, by=SETUP, **kwargs)


@pytest.mark.parametrize(("algorithm", "kind"), [("EdDSA", OKPKey), ("ES256", ECKey)])
def test_a_key_is_kept_by_its_thumbprint_and_by_its_public_half_alone(machine: Machine, algorithm: str, kind: Any):
    key = new_key(algorithm)
    jwk = kind.import_key(key).as_dict(private=False) | {"kid": "mine", "use": "sig", "alg": algorithm}

    row = add(machine, json.dumps(jwk))

    assert (row.algorithm, row.kid) == (algorithm, kind.import_key(key).thumbprint())
    assert set(row.jwk) == {"kty", "crv", "x", "y"} - ({"y"} if algorithm == "EdDSA" else set())
    with machine.world.acting():
        made = events().filter(kind="identity:client_key:create").latest("id")
    assert (made.facts["kid"], made.facts["algorithm"]) == (row.kid, algorithm)


def test_a_private_key_is_not_taken_and_not_said_back(machine: Machine) -> None:
    for algorithm, kind in (("EdDSA", OKPKey), ("ES256", ECKey)):
        key = new_key(algorithm)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        jwk = json.dumps(kind.import_key(key).as_dict(private=True))
        for given in (pem, jwk):
            with pytest.raises(Invalid) as refused:
                add(machine, given)
            assert (refused.value.code, refused.value.field) == ("key_is_private", "public_key")
            assert given[-60:-30] not in refused.value.message
    with machine.world.acting():
        assert not ServiceAccountKey.objects.exists()


def spki(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


UNUSABLE = {
    "nothing": " ",
    "words": "my key",
    "json": "[]",
    "a number": "7",
    "an empty object": "{}",
    "a secret": json.dumps({"kty": "oct", "k": b64(b"secret" * 8)}),
    "RSA": spki(generate_rsa(65537, 2048)),
    "P-384": spki(generate_private_key(SECP384R1())),
    "Ed448": spki(Ed448PrivateKey.generate()),
    "X25519": json.dumps({"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}),
    "a short Ed25519": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(31))}),
    "not on the curve": json.dumps({"kty": "EC", "crv": "P-256", "x": b64(b"\1" * 32), "y": b64(b"\2" * 32)}),
    "half a point": json.dumps({"kty": "EC", "crv": "P-256", "x": b64(b"\1" * 32)}),
    "members of another kind": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": 7}),
    "broken PEM": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "deep": "[" * 1900,
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_other_keys_are_refused_with_what_is_wanted(machine: Machine, what: str) -> None:
    with pytest.raises(Invalid) as refused:
        add(machine, UNUSABLE[what])

    assert (refused.value.code, refused.value.field) == ("key_unusable", "public_key")
    assert "Ed25519 or ECDSA P-256" in refused.value.message


def test_two_keys_are_good_at_once_and_no_third(machine: Machine) -> None:
    first, second = Signer.registered(machine), Signer.registered(machine, "ES256")
    assert [present(each.assertion()).status_code for each in (first, second)] == [200, 200]

    with pytest.raises(Conflict, match="Two keys"):
        add(machine, public_key())
    with machine.world.acting():
        revoke_key(ServiceAccountKey.objects.get(kid=first.kid), by=SETUP)

    third = Signer.registered(machine)
    assert [present(each.assertion()).status_code for each in (first, second, third)] == [401, 200, 200]


def test_one_that_has_expired_makes_room(machine: Machine) -> None:
    add(machine, public_key())
    add(machine, public_key())
    with machine.world.acting():
        ServiceAccountKey.objects.filter(slot=1).update(expires_at=timezone.now())

    assert add(machine, public_key()).slot == 1


def test_the_database_lets_no_third_key_live(machine: Machine) -> None:
    add(machine, public_key())
    values = {"account": machine.account, "algorithm": "ES256", "jwk": {}, "expires_at": timezone.now()}
    for slot, constraint in ((1, "two_live"), (3, "slot")):
        with machine.world.acting(), pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            ServiceAccountKey.objects.create(kid=str(slot), slot=slot, **values)


def test_a_revoked_key_does_not_come_back(machine: Machine) -> None:
    given = public_key()
    row = add(machine, given)
    with machine.world.acting():
        revoke_key(row, by=SETUP)

    with pytest.raises(Conflict, match="registered here before"):
        add(machine, given)


def test_an_account_without_an_active_owner_gets_no_key(machine: Machine) -> None:
    with machine.world.acting():
        make_machine(machine.world)  # another owner, for the last one stays
        disable_principal(machine.account.owner_id, by=SETUP)

    with pytest.raises(OwnerInactive):
        add(machine, public_key())


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_a_key_ends_within_a_year(machine: Machine, days: int) -> None:
    with pytest.raises(Invalid) as refused:
        add(machine, public_key(), expires_at=timezone.now() + timedelta(days=days))

    assert refused.value.field == "expires_at"


def test_the_account_lasts_as_long_as_its_longest_key(machine: Machine) -> None:
    row = add(machine, public_key(), expires_at=timezone.now() + timedelta(days=300))

    with machine.world.acting():
        assert ServiceAccount.objects.get(id=machine.id).expires_at == row.expires_at
        rotate_secret(machine.account, by=SETUP)
        assert ServiceAccount.objects.get(id=machine.id).expires_at == row.expires_at


def test_the_owner_is_told_of_keys(machine: Machine) -> None:
    row = add(machine, public_key())
    with machine.world.acting():
        revoke_key(row, by=SETUP)
        told = Mail.objects.filter(recipient=machine.account.owner.email, template__startswith="client_key")
        texts = [str(message_of(mail, "").body) for mail in told.order_by("id")]

    assert [row.kid in text for text in texts] == [True, True]


def test_keys_over_the_api(machine: Machine) -> None:
    from tests.identity.factories import make_person  # noqa: PLC0415

    owner = make_person(machine.world, Role.OWNER, name="olga").browser()
    url = f"/api/v1/service-accounts/{machine.id}/keys/"

    made = owner.post(url, {"public_key": public_key()}, content_type="application/json")
    broken = owner.post(url, {"public_key": "x"}, content_type="application/json")
    listed = owner.get(url).json()

    assert (made.status_code, broken.status_code) == (201, 400)
    assert list(broken.json()["fields"]) == ["public_key"]
    assert [row["kid"] for row in listed] == [made.json()["kid"]]
    assert owner.delete(f"{url}{made.json()['id']}/").status_code == 204
    assert owner.get(url).json()[0]["revoked_at"] is not None
