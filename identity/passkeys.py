"""The two ceremonies of WebAuthn. The challenge travels in a sealed state that is bound to one purpose and one visitor.

The visitor is a half-finished sign-in, a session, or the browser's form token: a state that was given to one is
worthless to another. That it is taken once is identity.services.challenges' part.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from django.core import signing
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.helpers import WebAuthnHelper
from webauthn import base64url_to_bytes
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_client_data_json,
    verify_signature,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import ClientDataType, PublicKeyCredentialUserEntity, UserVerificationRequirement

from identity.errors import PasskeyRefused
from identity.models import Passkey, User

STATE_SALT = "identity.passkey"
STATE_SECONDS = 5 * 60
UUID_BYTES = 16


class Purpose(StrEnum):
    FIRST_FACTOR = "first"  # of a newcomer, instead of an authenticator app
    REGISTER = "register"
    SECOND_FACTOR = "second"
    SIGN_IN = "sign-in"  # without a password
    STEP_UP = "step-up"
    VOTE = "vote"  # on a request for approval


@dataclasses.dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a challenge is for, and what for."""

    purpose: Purpose
    who: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ceremony:
    """What the browser's part of a ceremony needs. `state` comes back with its answer."""

    options: dict[str, Any]
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    challenge: str
    require_user_verification: bool

    def digest(self) -> bytes:
        return hashlib.sha256(self.challenge.encode()).digest()


class _Helper(WebAuthnHelper):  # type: ignore[misc]
    """`name`: what the person calls the new passkey. `challenge`: what is to be signed, if not anything random."""

    def __init__(self, name: str = "", challenge: bytes = b"") -> None:
        super().__init__(request=None)
        self.name = name
        self.challenge = challenge

    def get_user_entity(self, user: User) -> PublicKeyCredentialUserEntity:
        return PublicKeyCredentialUserEntity(id=handle_of(user), name=user.email, display_name=user.name or user.email)

    def get_generate_authentication_options_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """After a password the key alone will do, but one that can ask for a finger or a PIN should."""
        options: dict[str, Any] = super().get_generate_authentication_options_kwargs(**kwargs)
        if not kwargs["require_user_verification"]:
            options["user_verification"] = UserVerificationRequirement.PREFERRED
        if self.challenge:
            options["challenge"] = self.challenge
        return options

    def create_credential(self, *args: Any) -> Passkey:
        passkey: Passkey = super().create_credential(*args)
        passkey.name = self.name
        return passkey

    def create_attestation(self, *args: Any) -> None:
        """None is asked for, so there is nothing worth keeping."""


def handle_of(user: User) -> bytes:
    """What the device gives back with a passkey, so that it is known where to look for its public half."""
    return user.tenant_id.bytes + user.pk.bytes


def owner_of(answer: dict[str, Any]) -> tuple[UUID, UUID]:
    """Tenant and person as the device says. Nobody has vouched for it yet: only the signature will."""
    try:
        raw = base64url_to_bytes(answer["response"]["userHandle"])
        return UUID(bytes=raw[:UUID_BYTES]), UUID(bytes=raw[UUID_BYTES:])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PasskeyRefused("no user handle") from error


def begin_making(user: User, visitor: Visitor) -> Ceremony:
    options, state = _Helper().register_begin(user)
    return Ceremony(options, _seal(state, visitor))


def begin_asking(user: User | None, visitor: Visitor, *, challenge: bytes = b"") -> Ceremony:
    """Without a user: whichever passkey the device has for us; then it must also verify the person."""
    options, state = _Helper(challenge=challenge).authenticate_begin(user, require_user_verification=user is None)
    return Ceremony(options, _seal(state, visitor))


def make(user: User, state: State, answer: dict[str, Any], *, name: str) -> Passkey:
    with _refusals():
        made: Passkey = _Helper(name).register_complete(user, dataclasses.asdict(state), answer)
        return made


def check(user: User, state: State, answer: dict[str, Any]) -> Passkey:
    """The person's passkey that signed the challenge, with its counter moved on."""
    with _refusals():
        used: Passkey = _Helper().authenticate_complete(user, dataclasses.asdict(state), answer)
        return used


def challenge_of(state: State) -> bytes:
    """The bytes that were signed."""
    return bytes(base64url_to_bytes(state.challenge))


def signed_challenge(proof: Mapping[str, Any]) -> bytes | None:
    """What the private half of the proof's own key has signed; None, if it has not. For whoever trusts no row."""
    try:
        client = base64url_to_bytes(proof["client_data"])
        data = base64url_to_bytes(proof["authenticator_data"]) + hashlib.sha256(client).digest()
        key = decode_credential_public_key(base64url_to_bytes(proof["public_key"]))
        public = decoded_public_key_to_cryptography(key)
        signature = base64url_to_bytes(proof["signature"])
        verify_signature(public_key=public, signature_alg=key.alg, signature=signature, data=data)
        said = parse_client_data_json(client)
    except (InvalidSignature, WebAuthnException, LookupError, AttributeError, TypeError, ValueError):
        return None
    return said.challenge if said.type == ClientDataType.WEBAUTHN_GET else None


def _seal(state: dict[str, Any], visitor: Visitor) -> str:
    value = [visitor.purpose.value, visitor.who, state["challenge"], state["require_user_verification"]]
    return signing.dumps(value, salt=STATE_SALT)


def open_state(sealed: str, visitor: Visitor) -> State:
    try:
        purpose, who, challenge, verified = signing.loads(sealed, salt=STATE_SALT, max_age=STATE_SECONDS)
    except signing.BadSignature as error:
        raise PasskeyRefused("state not ours, or too old") from error
    if (purpose, who) != (visitor.purpose.value, visitor.who):
        raise PasskeyRefused("state of another visitor or purpose")
    return State(challenge, verified)


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever the libraries find wrong. The last three are theirs for an answer that is not shaped like one."""
    try:
        yield
    except (WebAuthnException, OTPWebAuthnApiError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"[:200]
        raise PasskeyRefused(why, copied="sign count" in why) from error
