"""Access tokens and the endpoint that sells them."""

import base64
import hashlib
import hmac
import json
import threading
import time
import zlib
from datetime import timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import OKPKey

from audit.selectors import events
from identity.credentials import client_id_of, new_secret
from identity.errors import TokenRefused
from identity.models import ServiceAccount
from identity.roles import Role
from identity.selectors import acting_principal, bindings
from identity.services import bind_role, create_service_account, disable_principal, enable_principal, unbind_role
from identity.tokens import _registry, issue_access_token, load_principal, read_access_token
from tenants.errors import DomainError
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.conftest import role_url
from tests.factories import make_tenant
from tests.identity.factories import SETUP, make_machine, make_person


def _claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def _b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read(token, audience=None):
    return read_access_token(token, audience=audience or settings.GATEWAY_RESOURCE)


def _sign(claims, *, header=None, key=None):
    key = key or OKPKey.import_key(settings.TOKEN_SIGNING_KEY)
    return jwt.encode({"alg": "EdDSA", "typ": "at+jwt"} | (header or {}), claims, key, registry=_registry)


def _load(token):
    """As a door does: the narrowest context, then the principal."""
    claims = _read(token)
    with acting_for(Context(claims.tenant_id, (), claims.principal_id)), transaction.atomic():
        return load_principal(claims)


def test_a_token_is_bound_to_tenant_principal_customers_and_epoch():
    acme = make_tenant()
    machine = make_machine(acme, customers=(acme.customers[0],))

    token = machine.token()
    claims = _read(token)

    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert (header["typ"], header["alg"]) == ("at+jwt", "EdDSA")
    assert claims.tenant_id == acme.id
    assert claims.principal_id == machine.id
    assert claims.customers == (acme.customers[0].id,)
    assert claims.epoch == 1
    assert claims.client_id == machine.client_id
    assert claims.expires_at - claims.issued_at == 900
    assert "gateway:tool:read" in claims.scope.split()


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "https://evil.example"},
        {"aud": ["x", "y"]},
        {"exp": 0},
        {"exp": -1},
        {"exp": "never"},
        {"exp": float("inf")},
        {"exp": True},
        {"exp": 4000},
        {"iat": 60},
        {"jti": ""},
        {"jti": None},
        {"sub": "alice"},
        {"tenant": None},
        {"tenant": "x"},
        {"customers": None},
        {"customers": ["x"]},
        {"customers": [1]},
        {"epoch": "1"},
        {"epoch": None},
    ],
)
def test_a_signed_token_that_says_something_else_is_refused(change):
    """Whole numbers of `iat` and `exp` are seconds from when the test runs."""
    now = int(time.time())
    change = {
        name: now + value if type(value) is int and name in {"iat", "exp"} else value for name, value in change.items()
    }
    good = _claims(make_machine(make_tenant()).token())
    _read(_sign(good))

    with pytest.raises(TokenRefused):
        _read(_sign(good | change))


def test_other_signatures_are_refused():
    good = _claims(make_machine(make_tenant()).token())
    stranger = OKPKey.import_key(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    payload, unsigned = _b64(json.dumps(good).encode()), _b64(b'{"alg":"none","typ":"at+jwt"}')
    symmetric = _b64(b'{"alg":"HS256","typ":"at+jwt"}') + f".{payload}"
    mac = hmac.new(settings.TOKEN_VERIFY_KEY.encode(), symmetric.encode(), hashlib.sha256).digest()
    real = _sign(good)
    forged = [
        _sign(good, key=stranger),
        f"{symmetric}.{_b64(mac)}",
        f"{unsigned}.{payload}.",
        real[:-4] + ("AAAA" if not real.endswith("AAAA") else "BBBB"),
        ".".join([real.split(".")[0], payload[:-2] + "xx", real.split(".")[2]]),
        _sign(good, header={"typ": "JWT"}),
        "",
        "a.b.c",
        "é",
    ]
    for token in forged:
        with pytest.raises(TokenRefused):
            _read(token)


def test_the_header_cannot_bring_its_own_key():
    good = _claims(make_machine(make_tenant()).token())
    stranger = OKPKey.generate_key("Ed25519")
    token = _sign(good, header={"jwk": stranger.as_dict(private=False)}, key=stranger)
    with pytest.raises(TokenRefused):
        _read(token)


def test_a_token_that_was_good_ends_when_it_says_so(monkeypatch):
    """What a process has read once it remembers, but not for longer than the token lives."""
    token = make_machine(make_tenant()).token()
    end = _read(token).expires_at

    monkeypatch.setattr("identity.tokens.time.time", lambda: end - 1)
    assert _read(token).expires_at == end
    monkeypatch.setattr("identity.tokens.time.time", lambda: end)
    with pytest.raises(TokenRefused):
        _read(token)


def test_a_token_for_the_gateway_does_not_open_the_api():
    machine = make_machine(make_tenant())
    with pytest.raises(TokenRefused):
        _read(machine.token(), audience=settings.API_RESOURCE)
    refused = Browser(headers={"Authorization": f"Bearer {machine.token()}"}).get("/api/v1/customers/")
    assert refused.status_code == 401


@pytest.mark.parametrize("change", ["disable", "epoch"])
def test_withdrawn_on_the_very_next_request(change):
    machine = make_machine(make_tenant())
    token, api = machine.token(), machine.api()
    assert _load(token).id == machine.id
    assert api.get("/api/v1/customers/").status_code == 200

    with machine.world.acting():
        disable_principal(machine.id, by=SETUP)
        if change == "epoch":
            enable_principal(machine.id, by=SETUP)

    with pytest.raises(TokenRefused):
        _load(token)
    assert api.get("/api/v1/customers/").status_code == 401


def test_a_token_does_not_grow_with_the_account_and_shrinks_with_it():
    acme = make_tenant()
    first, second = acme.customers[:2]
    machine = make_machine(acme, customers=(first,))
    token = machine.token()
    with acme.acting():
        bind_role(machine.account.principal, role=Role.OPERATOR, customer=second, by=SETUP)
    assert _load(token).scope() == (first.id,)
    assert set(_read(machine.token()).customers) == {first.id, second.id}
    with acme.acting():
        unbind_role(bindings().get(principal_id=machine.id, customer=first), by=SETUP)

    assert _load(token).scope() == ()


def test_a_token_for_one_customer_stays_narrow_when_the_account_becomes_tenant_wide():
    acme = make_tenant()
    machine = make_machine(acme, customers=(acme.customers[0],))
    token = machine.token()
    with acme.acting():
        bind_role(machine.account.principal, role=Role.ADMIN, by=SETUP)

    assert _load(token).scope() == (acme.customers[0].id,)


def test_a_token_whose_tenant_is_not_its_principals_is_refused():
    acme, globex = make_tenant("acme"), make_tenant("globex")
    good = _claims(make_machine(acme).token())
    with pytest.raises(TokenRefused):
        _load(_sign(good | {"tenant": str(globex.id)}))


def test_a_token_lives_no_longer_than_the_secret():
    machine = make_machine(make_tenant())
    with machine.world.acting():
        ServiceAccount.objects.filter(id=machine.id).update(expires_at=timezone.now() + timedelta(seconds=90))

    claims = _read(machine.token())
    assert claims.expires_at - claims.issued_at <= 90


def test_the_hard_cap_holds_whatever_the_row_says():
    machine = make_machine(make_tenant())
    with machine.world.acting():
        account = ServiceAccount.objects.get(id=machine.id)
        account.token_seconds = 30_000
        _, seconds = issue_access_token(
            account, principal=acting_principal(account.pk), resource="x", until=account.expires_at
        )
    assert seconds == 3600


# the endpoint


def _basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def _ask(client_id, secret, **form):
    return Browser().post(
        "/oauth/token", {"grant_type": "client_credentials"} | form, headers=_basic(client_id, secret)
    )


def test_client_credentials_by_header_and_by_form():
    machine = make_machine(make_tenant())

    by_header = _ask(machine.client_id, machine.secret)
    by_form = Browser().post(
        "/oauth/token",
        {"grant_type": "client_credentials", "client_id": machine.client_id, "client_secret": machine.secret},
    )

    for response in (by_header, by_form):
        body = response.json()
        assert (response.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 900)
        assert response["Cache-Control"] == "no-store"
        assert _read(body["access_token"]).principal_id == machine.id
    with machine.world.acting():
        assert events().filter(kind="identity:token:issue", subject_id=machine.id).count() == 2
        assert ServiceAccount.objects.get(id=machine.id).last_used_at is not None


def test_the_api_is_asked_for_by_name():
    machine = make_machine(make_tenant())
    token = _ask(machine.client_id, machine.secret, resource=settings.API_RESOURCE).json()["access_token"]
    assert _claims(token)["aud"] == settings.API_RESOURCE


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"client_secret": "also here"}, "invalid_request"),
        ({"resource": ["a", "b"]}, "invalid_request"),
    ],
)
def test_malformed_requests(form, error):
    machine = make_machine(make_tenant())
    response = _ask(machine.client_id, machine.secret, **form)
    assert (response.status_code, response.json()) == (400, {"error": error})


def _refusals(acme):
    unknown = client_id_of(uuid7())
    disabled, expired, wrong = (make_machine(acme) for _ in range(3))
    with acme.acting():
        disable_principal(disabled.id, by=SETUP)
        ServiceAccount.objects.filter(id=expired.id).update(expires_at=timezone.now())
    return {
        "unknown": (unknown, new_secret()),
        "no client": ("", ""),
        "not ours": ("admin", "admin"),
        "wrong": (wrong.client_id, new_secret()),
        "disabled": (disabled.client_id, disabled.secret),
        "expired": (expired.client_id, expired.secret),
    }


def test_every_refusal_is_the_same_and_is_recorded():
    acme = make_tenant()
    answers = {name: _ask(*pair) for name, pair in _refusals(acme).items()}

    bodies = {
        (answer.status_code, answer.content, tuple(sorted(answer.headers.items()))) for answer in answers.values()
    }
    assert len(bodies) == 1
    assert answers["unknown"].json() == {"error": "invalid_client"}
    with acme.acting():
        assert events().filter(kind="identity:token:refuse", result="refused").count() == 3


def test_no_secret_in_the_log_nor_in_the_events(caplog):
    machine = make_machine(make_tenant())
    _ask(machine.client_id, machine.secret)
    _ask(machine.client_id, machine.secret[:-1])

    assert machine.secret[12:-1] not in caplog.text
    with machine.world.acting():
        assert not any(machine.secret[12:-1].encode() in bytes(event.body) for event in events())


def test_without_a_record_there_is_no_token_and_the_answer_comes_soon(scratch_database):

    with scratch_database("app"):
        machine = make_machine(make_tenant())
        owner = psycopg.connect(role_url("msplex_migrator", scratch_database.name))
        owner.execute("SET ROLE msplex_owner")
        owner.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        try:
            response = _ask(machine.client_id, machine.secret)
        finally:
            owner.close()
        assert (response.status_code, response.json()) == (503, {"error": "temporarily_unavailable"})
        assert time.monotonic() - started < 2


def test_many_exchanges_at_once_do_not_wait_for_each_other():

    machine = make_machine(make_tenant())
    statuses = []

    def ask():
        statuses.append(_ask(machine.client_id, machine.secret).status_code)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6


def test_metadata_and_keys():
    metadata = Browser().get("/.well-known/oauth-authorization-server").json()
    keys = Browser().get("/.well-known/jwks.json").json()["keys"]

    assert metadata["issuer"] == settings.PUBLIC_URL
    assert metadata["token_endpoint"].endswith("/oauth/token")
    assert "client_credentials" in metadata["grant_types_supported"]
    assert (keys[0]["kty"], keys[0]["crv"], "d" in keys[0]) == ("OKP", "Ed25519", False)
    token = make_machine(make_tenant()).token()
    jwt.decode(token, OKPKey.import_key(keys[0]), registry=_registry)
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"] == keys[0]["kid"]


def test_secrets_carry_a_checksum():
    """A scanner that finds one in a repository can tell it from a look-alike."""
    secret = new_secret()
    body, checksum = secret.removeprefix("mspx_sa_")[:-6], secret[-6:]
    assert len(base64.urlsafe_b64decode(body + "=")) == 32
    assert int.from_bytes(base64.urlsafe_b64decode(checksum + "=="), "big") == zlib.crc32(body.encode())
    assert len({new_secret() for _ in range(100)}) == 100


def test_only_the_same_tenants_owner_may_own_an_account():

    mallory = make_person(make_tenant("globex"))
    with pytest.raises((DomainError, IntegrityError)), make_tenant("acme").acting():
        create_service_account(name="x", purpose="", owner=mallory.user, role=Role.VIEWER, by=SETUP)
