"""Signing in with a passkey: as the second factor, as a newcomer's first one, or without a password.

Like identity.services.sign_in: each step opens its own contexts, and there is no session before the end.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity import passkeys
from identity.cookies import PendingSignIn
from identity.errors import PasskeyNotEnough, PasskeyRefused, PrincipalRefused
from identity.models import User
from identity.passkeys import Ceremony, Purpose, State, Visitor
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal, passkeys_of, security_policy
from identity.services.attempts import admit, forgive
from identity.services.authority import whole_tenant
from identity.services.challenges import spend
from identity.services.factors import check_first_factor, make_recovery_codes
from identity.services.notices import tell_of_copy
from identity.services.passkeys import add_passkey
from identity.services.sessions import Client, open_session
from identity.services.sign_in import SignedIn
from tenants.isolation.context import Context, acting_for

METHOD = "passkey"
REFUSAL_SECONDS = 0.4  # longer than any of the ways to refuse someone without a password takes


def has_passkeys(pending: PendingSignIn) -> bool:
    with _narrow(pending.tenant_id, pending.user_id):
        return passkeys_of(pending.user_id).exists()


def may_start_with_passkey(pending: PendingSignIn) -> bool:
    """Whether a newcomer may do without an authenticator app."""
    with _narrow(pending.tenant_id, pending.user_id):
        return security_policy().passkey_sign_in


def begin_second_factor(pending: PendingSignIn) -> Ceremony:
    with _narrow(pending.tenant_id, pending.user_id):
        principal(pending.user_id, pending.epoch)
        return passkeys.begin_asking(User.objects.get(id=pending.user_id), _of(pending, Purpose.SECOND_FACTOR))


def sign_in_passkey(pending: PendingSignIn, *, state: str, answer: dict[str, Any], client: Client) -> SignedIn:
    """The second step, with a passkey in place of a code."""
    opened = passkeys.open_state(state, _of(pending, Purpose.SECOND_FACTOR))
    return _enter(pending.tenant_id, pending.user_id, opened, answer, client=client, epoch=pending.epoch)


def begin_first_passkey(pending: PendingSignIn) -> Ceremony:
    with _narrow(pending.tenant_id, pending.user_id):
        principal(pending.user_id, pending.epoch)
        check_first_factor(pending.user_id)
        return passkeys.begin_making(User.objects.get(id=pending.user_id), _of(pending, Purpose.FIRST_FACTOR))


def sign_in_first_passkey(
    pending: PendingSignIn, *, name: str, state: str, answer: dict[str, Any], client: Client
) -> SignedIn:
    """A first sign-in that sets up a passkey and no authenticator app. There are recovery codes all the same."""
    with _narrow(pending.tenant_id, pending.user_id):
        acting = principal(pending.user_id, pending.epoch)
        if not security_policy().passkey_sign_in:
            raise PasskeyNotEnough
        user = User.objects.select_for_update(of=("self",)).get(id=pending.user_id)
        check_first_factor(user.pk)
        actor = acting.actor(client.address, client.request_id)
        add_passkey(user, _of(pending, Purpose.FIRST_FACTOR), name=name, state=state, answer=answer, by=actor)
        codes = make_recovery_codes(user, by=actor)
        return SignedIn(open_session(acting, method=METHOD, client=client), tuple(codes))


def begin_passwordless(browser: str) -> Ceremony:
    """`browser`: something only this browser has sent, such as its form token."""
    return passkeys.begin_asking(None, _of_browser(browser))


def sign_in_passwordless(*, state: str, answer: dict[str, Any], browser: str, client: Client) -> SignedIn:
    """PasskeyRefused for every reason alike, after the same time; PasskeyNotEnough only to the passkey's holder."""
    started = time.monotonic()
    try:
        opened = passkeys.open_state(state, _of_browser(browser))
        tenant, user = passkeys.owner_of(answer)
        return _enter(tenant, user, opened, answer, client=client, epoch=None)
    except PasskeyRefused:
        time.sleep(max(0.0, started + REFUSAL_SECONDS - time.monotonic()))
        raise


def _enter(
    tenant: UUID, user_id: UUID, state: State, answer: dict[str, Any], *, client: Client, epoch: int | None
) -> SignedIn:
    """`epoch` is that of a password given before; None: there was none."""
    label = _spent(tenant, user_id, state)
    try:
        with _narrow(tenant, user_id):
            signed_in = _verified(user_id, state, answer, client=client, epoch=epoch)
    except PasskeyRefused as refused:
        _record_refusal(tenant, user_id, label, refused, client)
        raise
    with acting_for(Context(tenant)), transaction.atomic():
        forgive(METHOD, user_id.hex)
    return signed_in


def _spent(tenant: UUID, user_id: UUID, state: State) -> str:
    """The person's label. In its own transaction: the challenge is gone whatever becomes of the answer."""
    with _narrow(tenant, user_id):
        user = User.objects.filter(id=user_id).first()
        if user is None or not passkeys_of(user_id).exists():  # nothing is kept for made-up names
            raise PasskeyRefused("unknown person")
    with acting_for(Context(tenant)), transaction.atomic():
        admitted = admit(METHOD, user_id.hex)
    if not admitted:
        raise PasskeyRefused("too many tries")
    with _narrow(tenant, user_id):
        spend(state)
    return user.email


def _verified(user_id: UUID, state: State, answer: dict[str, Any], *, client: Client, epoch: int | None) -> SignedIn:
    passkeys.check(User.objects.get(id=user_id), state, answer)
    acting = principal(user_id, epoch)
    if epoch is None and not security_policy().passkey_sign_in:
        raise PasskeyNotEnough
    return SignedIn(open_session(acting, method=METHOD, client=client))


def principal(user_id: UUID, epoch: int | None) -> ActingPrincipal:
    try:
        return acting_principal(user_id, epoch=epoch)
    except PrincipalRefused as refused:
        raise PasskeyRefused("account disabled or changed") from refused


@contextmanager
def _narrow(tenant: UUID, user_id: UUID) -> Iterator[None]:
    with acting_for(Context(tenant, customers=(), principal=user_id)), transaction.atomic():
        yield


def _of(pending: PendingSignIn, purpose: Purpose) -> Visitor:
    return Visitor(purpose, f"pending:{pending.id}")


def _of_browser(browser: str) -> Visitor:
    return Visitor(Purpose.SIGN_IN, f"browser:{hashlib.sha256(browser.encode()).hexdigest()}")


def _record_refusal(tenant: UUID, user_id: UUID, label: str, refused: PasskeyRefused, client: Client) -> None:
    actor = Actor(ActorKind.USER, user_id, label, client.address, client.request_id)
    with acting_for(Context(tenant, customers=())), transaction.atomic():
        body = {"step": METHOD, "why": refused.why}
        record(EventKind.SIGN_IN_FAILED, actor=actor, result="refused", body=body)
        if refused.copied:
            with whole_tenant():
                tell_of_copy(User.objects.get(id=user_id), refused, client.address)
