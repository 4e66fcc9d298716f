"""private_key_jwt (RFC 7523): automation proves itself with a key of its own, and nobody else does."""

import hashlib
import hmac
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from joserfc.jwk import OKPKey

from audit.selectors import events
from identity.errors import TokenRefused
from identity.models import ServiceAccount, ServiceAccountKey, SpentAssertion
from identity.services import (
    amend_service_account,
    disable_principal,
    enable_principal,
    revoke_all_secrets,
    revoke_key,
    revoke_secret,
    tokens,
)
from identity.tokens import load_principal, read_access_token
from tenants.errors import Conflict
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Machine, let_work, make_machine
from tests.identity.signing import Signer, b64, forged, new_key, present, public_key
from tests.identity.test_secrets import holds

ISSUER, ENDPOINT = settings.PUBLIC_URL, f"{settings.PUBLIC_URL}/oauth/token"
REFUSED = {"error": "invalid_client"}


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def machine(acme: TenantWorld) -> Machine:
    return make_machine(acme)


@pytest.fixture
def signer(machine: Machine) -> Signer:
    return Signer.registered(machine)


def reason(machine: Machine) -> str:
    """Of the newest refusal, as the audit log has it."""
    with machine.world.acting():
        return str(events().filter(kind="identity:token:refuse", subject_id=machine.id).latest("id").facts["reason"])


def assert_refused(machine: Machine, assertion: str, because: str = "", **form: str) -> None:
    answer = present(assertion, **form)
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    if because:
        assert reason(machine) == because


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
@pytest.mark.parametrize("audience", [ISSUER, ENDPOINT, [ISSUER]])
def test_a_signed_assertion_gets_a_token(machine: Machine, algorithm: str, audience: Any) -> None:
    signer = Signer.registered(machine, algorithm)

    answer = present(signer.assertion(aud=audience), resource=settings.API_RESOURCE)

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    claims = read_access_token(answer.json()["access_token"], audience=settings.API_RESOURCE)
    assert (claims.principal_id, claims.client_id) == (machine.id, machine.client_id)
    with machine.world.acting():
        issued = events().filter(kind="identity:token:issue", subject_id=machine.id).latest("id")
        row = ServiceAccountKey.objects.get(kid=signer.kid)
    assert issued.facts["kid"] == signer.kid
    assert (row.last_used_address, row.last_used_at is not None) == ("127.0.0.1", True)


def test_a_header_may_leave_out_the_kid_name_another_or_call_the_algorithm_by_its_new_name(signer: Signer) -> None:
    bare = Signer(signer.machine, signer.key)

    assert present(bare.assertion()).status_code == 200
    assert present(bare.assertion({"kid": "my own name"})).status_code == 200
    assert present(bare.assertion({"alg": "Ed25519"})).status_code == 200
    assert present(bare.assertion({"typ": "client-authentication+jwt"})).status_code == 200
    assert present(bare.assertion(), client_id=signer.machine.client_id).status_code == 200


WRONG = [
    ({"iss": "https://evil.example"}, "assertion_issuer"),
    ({"iss": None}, "assertion_issuer"),
    ({"aud": "https://evil.example"}, "assertion_audience"),
    ({"aud": f"{ISSUER}/"}, "assertion_audience"),
    ({"aud": settings.GATEWAY_RESOURCE}, "assertion_audience"),
    ({"aud": [ISSUER, ENDPOINT]}, "assertion_audience"),
    ({"aud": [ISSUER, "https://evil.example"]}, "assertion_audience"),
    ({"aud": []}, "assertion_audience"),
    ({"aud": [[ISSUER]]}, "assertion_audience"),
    ({"aud": {"a": ISSUER}}, "assertion_audience"),
    ({"aud": None}, "assertion_audience"),
    ({"exp": -1}, "assertion_expiry"),
    ({"exp": 0}, "assertion_expiry"),
    ({"exp": 400}, "assertion_expiry"),
    ({"exp": None}, "assertion_expiry"),
    ({"exp": "soon"}, "assertion_malformed"),
    ({"exp": True}, "assertion_malformed"),
    ({"exp": float("inf")}, "assertion_malformed"),
    ({"iat": 60}, "assertion_early"),
    ({"nbf": 60}, "assertion_early"),
    ({"nbf": "now"}, "assertion_malformed"),
    ({"jti": None}, "assertion_malformed"),
    ({"jti": ""}, "assertion_malformed"),
    ({"jti": 7}, "assertion_malformed"),
    ({"jti": "x" * 257}, "assertion_malformed"),
]


@pytest.mark.parametrize(("changes", "because"), WRONG)
def test_an_assertion_that_says_something_else_is_refused(
    signer: Signer, changes: dict[str, Any], because: str
) -> None:
    assert_refused(signer.machine, signer.assertion(**changes), because)


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"crit": ["exp"], "exp": 1}, {"crit": []}, {"typ": 7}])
def test_a_token_of_another_kind_is_no_assertion(signer: Signer, header: dict[str, Any]) -> None:
    good = {"alg": "EdDSA", "kid": signer.kid}

    def signed(header: dict[str, Any]) -> str:
        body = forged(header, signer.claims()).rpartition(".")[0]
        return f"{body}.{b64(signer.key.sign(body.encode()))}"

    assert present(signed(good)).status_code == 200
    assert present(signed(good | header)).json() == REFUSED


def test_without_a_signature_or_with_one_of_another_algorithm_it_is_refused(machine: Machine) -> None:
    """`none`; HMAC with the public key, in each form that it could be read in; ES256 for an EdDSA key."""
    for algorithm in ("EdDSA", "ES256"):
        signer = Signer.registered(machine, algorithm)
        pem = public_key(signer.key)
        with machine.world.acting():
            jwk = ServiceAccountKey.objects.get(kid=signer.kid).jwk
        for name in ("none", "None", "NONE", "", None):
            assert_refused(machine, forged({"alg": name, "kid": signer.kid}, signer.claims()))
        for secret in (pem, pem.strip(), json.dumps(jwk), jwk["x"]):
            signed = ".".join([b64(json.dumps({"alg": "HS256", "kid": signer.kid}).encode()), *_payload(signer)])
            mac = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
            assert_refused(machine, f"{signed}.{b64(mac)}", "assertion_signature")
        other = Signer(machine, new_key("ES256" if algorithm == "EdDSA" else "EdDSA"), signer.algorithm, signer.kid)
        other.algorithm = "ES256" if algorithm == "EdDSA" else "EdDSA"
        assert_refused(machine, other.assertion(), "assertion_signature")
        with machine.world.acting():
            revoke_key(ServiceAccountKey.objects.get(kid=signer.kid), by=SETUP)


def _payload(signer: Signer) -> list[str]:
    return [b64(json.dumps(signer.claims()).encode())]


def test_a_key_that_comes_with_the_assertion_is_not_used(signer: Signer) -> None:
    mallory = Signer(signer.machine, new_key())
    jwk = OKPKey.import_key(mallory.key).as_dict(private=False)

    for header in ({"jwk": jwk}, {"jwk": jwk, "kid": signer.kid}, {"jku": "https://evil.example/jwks"}):
        assert_refused(signer.machine, mallory.assertion(header), "assertion_signature")


def test_another_accounts_key_and_another_tenants_are_refused(signer: Signer, acme: TenantWorld) -> None:
    for world in (acme, make_tenant("globex")):
        mallory = Signer.registered(make_machine(world))
        claims = {"iss": signer.machine.client_id, "sub": signer.machine.client_id}
        for kid in ("", mallory.kid, signer.kid):
            assertion = Signer(signer.machine, mallory.key, kid=kid).assertion(**claims)
            assert_refused(signer.machine, assertion, "assertion_signature")
        assert_refused(signer.machine, mallory.assertion(), client_id=signer.machine.client_id)
        mixed = mallory.assertion(iss=signer.machine.client_id)
        assert_refused(mallory.machine, mixed, "assertion_issuer")


def test_an_assertion_is_taken_once(signer: Signer) -> None:
    assertion = signer.assertion()

    assert present(assertion).status_code == 200
    assert_refused(signer.machine, assertion, "assertion_replayed")
    # Signed anew with the same id, it is the same.
    jti = uuid7().hex
    assert present(signer.assertion(jti=jti)).status_code == 200
    assert_refused(signer.machine, signer.assertion(jti=jti, exp=90), "assertion_replayed")


def test_one_of_many_at_once_gets_a_token(signer: Signer) -> None:
    assertion, statuses, start = signer.assertion(), [], threading.Barrier(6)

    def ask() -> None:
        start.wait()
        statuses.append(present(assertion).status_code)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 401, 401, 401, 401, 401]


def test_two_accounts_may_choose_the_same_id(signer: Signer, acme: TenantWorld) -> None:
    other = Signer.registered(make_machine(acme))

    assert [present(each.assertion(jti="1")).status_code for each in (signer, other)] == [200, 200]


def test_who_cannot_sign_cannot_use_up_an_id(signer: Signer) -> None:
    mallory = Signer(signer.machine, new_key(), kid=signer.kid)
    assert_refused(signer.machine, mallory.assertion(jti="1"), "assertion_signature")

    assert present(signer.assertion(jti="1")).status_code == 200


def test_an_assertion_that_was_refused_for_its_address_is_spent(signer: Signer, acme: TenantWorld) -> None:
    assertion, owner = signer.assertion(), signer.machine.account.owner
    with acme.acting():
        amend_service_account(signer.machine.account, purpose="x", owner=owner, networks=["203.0.113.0/24"], by=SETUP)
    assert_refused(signer.machine, assertion, "address_refused")
    with acme.acting():
        amend_service_account(signer.machine.account, purpose="x", owner=owner, networks=[], by=SETUP)

    assert_refused(signer.machine, assertion, "assertion_replayed")


def test_a_revoked_key_is_refused_and_so_are_the_tokens_so_far(signer: Signer, acme: TenantWorld) -> None:
    token = present(signer.assertion()).json()["access_token"]
    assert holds(signer.machine, token)

    with acme.acting():
        revoke_key(ServiceAccountKey.objects.get(), by=SETUP)
        assert events().filter(kind="identity:client_key:revoke").latest("id").facts["kid"] == signer.kid

    assert not holds(signer.machine, token)
    assert_refused(signer.machine, signer.assertion(), "key_revoked")
    assert_refused(signer.machine, Signer(signer.machine, signer.key).assertion())
    with acme.acting(), pytest.raises(Conflict, match="revoked already"):
        revoke_key(ServiceAccountKey.objects.get(), by=SETUP)


@pytest.mark.parametrize("what", ["key", "account"])
def test_what_has_ended_is_refused(signer: Signer, acme: TenantWorld, what: str) -> None:
    ended = {"expires_at": timezone.now()}
    with acme.acting():
        if what == "key":
            ServiceAccountKey.objects.update(**ended)
        else:
            ServiceAccount.objects.filter(id=signer.machine.id).update(**ended)

    assert_refused(signer.machine, signer.assertion(), "key_expired")


def test_disabled_locked_and_suspended_are_refused(signer: Signer, acme: TenantWorld) -> None:
    with acme.acting():
        disable_principal(signer.machine.id, by=SETUP)
    assert_refused(signer.machine, signer.assertion(), "disabled")
    with acme.acting():
        enable_principal(signer.machine.id, by=SETUP)
    assert present(signer.assertion()).status_code == 200

    let_work(acme, False)
    assert_refused(signer.machine, signer.assertion())


def test_a_token_lives_no_longer_than_the_key(signer: Signer, acme: TenantWorld) -> None:
    with acme.acting():
        ServiceAccountKey.objects.update(expires_at=timezone.now() + timedelta(seconds=90))

    assert 80 < present(signer.assertion()).json()["expires_in"] <= 90


@pytest.mark.parametrize("credential", ["secret", "key"])
def test_what_is_revoked_while_it_is_exchanged_gives_no_token_that_lasts(
    signer: Signer, acme: TenantWorld, monkeypatch: pytest.MonkeyPatch, credential: str
) -> None:
    """The credential was still good when it was looked at; the token carries the epoch from before."""
    machine = signer.machine
    looked = tokens._unfit if credential == "secret" else tokens._unfit_key

    def revoked_just_then(account: ServiceAccount, row: Any) -> str:
        found = looked(account, row)
        thread = threading.Thread(target=revoke)
        thread.start()
        thread.join()
        return found

    def revoke() -> None:
        with acme.acting():
            if credential == "secret":
                revoke_secret(machine.account.secrets.get(), by=SETUP)
            else:
                revoke_key(ServiceAccountKey.objects.get(), by=SETUP)
        connection.close()

    monkeypatch.setattr(tokens, looked.__name__, revoked_just_then)
    token = machine.token() if credential == "secret" else present(signer.assertion()).json()["access_token"]

    claims = read_access_token(token, audience=settings.GATEWAY_RESOURCE)
    with acting_for(Context(acme.id, (), machine.id)), transaction.atomic(), pytest.raises(TokenRefused):
        load_principal(claims)


def test_keys_work_without_any_secret(signer: Signer, acme: TenantWorld) -> None:
    with acme.acting():
        revoke_all_secrets(signer.machine.account, by=SETUP)

    assert present(signer.assertion()).status_code == 200


@pytest.mark.parametrize(
    ("form", "header", "status"),
    [
        ({"client_secret": "x"}, {}, 400),
        ({}, {"Authorization": "Basic eDp5"}, 400),
        ({"client_assertion_type": "urn:other"}, {}, 401),
        ({"client_assertion_type": ""}, {}, 401),
        ({"client_assertion": ""}, {}, 401),
        ({"client_assertion": "x"}, {}, 401),
        ({"client_assertion": "a.b.c"}, {}, 401),
        ({"client_assertion": "é.é.é"}, {}, 401),
        ({"client_assertion": f"{b64(b'[]')}.{b64(b'[]')}."}, {}, 401),
        ({"client_assertion": f"{b64(b'{}')}.{b64(b'[' * 1500)}."}, {}, 401),
        ({"client_assertion": "x" * 5000}, {}, 401),
        ({"client_id": "someone else"}, {}, 401),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {}, 400),
        ({"resource": "https://evil.example"}, {}, 400),
    ],
)
def test_malformed_requests(signer: Signer, form: dict[str, str], header: dict[str, str], status: int) -> None:
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signer.assertion(),
    }

    answer = Browser().post("/oauth/token", fields | form, headers=header)

    assert answer.status_code == status, answer.content
    assert "access_token" not in answer.json()


@pytest.mark.parametrize("kid", ["\0" * 43, "é" * 43, "x" * 43, "' OR 1=1", 7, None, ["x"]])
def test_a_kid_is_looked_up_only_if_it_could_be_ours(signer: Signer, kid: Any) -> None:
    claims = signer.claims()

    assert present(forged({"alg": "EdDSA", "kid": kid}, claims, b"x" * 64)).json() == REFUSED


def test_refusals_are_alike_and_alike_to_those_of_a_secret(signer: Signer) -> None:
    unknown = Signer(make_machine(make_tenant("gone")), new_key())
    answers = [
        present(signer.assertion(exp=-1)),
        present(unknown.assertion()),
        present(unknown.assertion(iss="mspx_c_0", sub="mspx_c_0")),
        present("x"),
        Browser().post("/oauth/token", {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}),
    ]

    seen = {(each.status_code, each.content, tuple(sorted(each.headers.items()))) for each in answers}
    assert len(seen) == 1


def test_the_metadata_says_so() -> None:
    said = Browser().get("/.well-known/oauth-authorization-server").json()

    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["ES256", "Ed25519", "EdDSA"]


def test_spent_assertions_say_nothing_of_what_was_signed(signer: Signer) -> None:
    present(signer.assertion(jti="a telling id"))

    with signer.machine.world.acting():
        row = SpentAssertion.objects.get()
    assert bytes(row.digest) == hashlib.sha256(b"a telling id").digest()
