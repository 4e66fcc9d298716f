"""Signing in: workspace, e-mail and password; then a code. Nothing is opened before the second.

Each step opens its own contexts: there is no principal yet. Whatever is wrong with the first step, the answer is the
same and takes as long.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.cookies import PendingSignIn
from identity.errors import CodeRefused, PrincipalRefused, SignInRefused
from identity.factors import accept_recovery_code, accept_totp
from identity.models import TotpDevice, User
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal, passkeys_of
from identity.services.factors import (
    Enrolment,
    check_first_factor,
    confirm_totp,
    confirmed_device,
    enrol_totp,
    make_recovery_codes,
)
from identity.services.sessions import Client, open_session
from identity.services.throttling import admit_code, admit_nobody, admit_password, forgive_code, forgive_password
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for

REFUSAL_SECONDS = 0.4  # longer than any of the ways to refuse takes
LONGEST_PASSWORD = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class SignedIn:
    """`cookie` is the session's; `recovery_codes` are there once, after the first code of a new authenticator."""

    cookie: str
    recovery_codes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    id: UUID
    password: str
    epoch: int
    enrolled: bool
    label: str


@lru_cache(maxsize=1)
def _no_password() -> str:
    """The hash that is checked where there is nobody, so that the time is the same."""
    return make_password("nobody has this password")


def sign_in_password(*, workspace: str, email: str, password: str, client: Client) -> PendingSignIn:
    """The first step. SignInRefused for every reason alike, after the same time."""
    started = time.monotonic()
    workspace, email = workspace.strip().lower(), email.strip().lower()
    tenant = tenant_of("workspace", workspace)
    known, admitted = _knock(tenant, email, client) if tenant else (None, False)
    fits = check_password(password[:LONGEST_PASSWORD], known.password if known else _no_password())
    if tenant and known and admitted and fits:
        _forgive(forgive_password, tenant, known.id, client)
        return PendingSignIn(tenant, known.id, known.epoch, workspace, known.enrolled)
    if tenant and admitted:
        _record_refusal(tenant, known, "password", client)
    time.sleep(max(0.0, started + REFUSAL_SECONDS - time.monotonic()))
    raise SignInRefused


def _knock(tenant: UUID, email: str, client: Client) -> tuple[_Known | None, bool]:
    """Count the try and look who it is. The only look-up by e-mail, in a transaction that does nothing else."""
    with acting_for(Context(tenant)), transaction.atomic():
        user = User.objects.select_related("principal").filter(email=email, principal__disabled_at=None).first()
        if user is None:
            return None, admit_nobody(client)
        enrolled = confirmed_device(user) is not None or passkeys_of(user.pk).exists()
        known = _Known(user.pk, user.password, user.principal.epoch, enrolled, user.email)
        return known, admit_password(tenant, known.id, client)


def _forgive(forgive: Callable[[UUID, UUID, Client], None], tenant: UUID, user: UUID, client: Client) -> None:
    with acting_for(Context(tenant)), transaction.atomic():
        forgive(tenant, user, client)


def _record_refusal(tenant: UUID, known: _Known | None, step: str, client: Client) -> None:
    label = known.label if known else "unknown"
    actor = Actor(ActorKind.USER, known.id if known else None, label, client.address, client.request_id)
    with acting_for(Context(tenant, customers=())), transaction.atomic():
        record(EventKind.SIGN_IN_FAILED, actor=actor, result="refused", body={"step": step})


def begin_enrolment(pending: PendingSignIn) -> Enrolment:
    """For a first sign-in: what to put into the authenticator app."""
    with acting_for(_narrow(pending)), transaction.atomic():
        _check_pending(pending)
        check_first_factor(pending.user_id)
        return enrol_totp(User.objects.get(id=pending.user_id))


def sign_in_code(pending: PendingSignIn, code: str, *, client: Client) -> SignedIn:
    """The second step: a code of the app, or a recovery code. The session exists from here on."""
    with acting_for(Context(pending.tenant_id)), transaction.atomic():
        admitted = admit_code(pending.tenant_id, pending.user_id, client)
    if not admitted:
        raise CodeRefused
    try:
        with acting_for(_narrow(pending)), transaction.atomic():
            signed_in = _verify(pending, code, client)
    except CodeRefused:
        _record_code_refusal(pending, client)
        raise
    _forgive(forgive_code, pending.tenant_id, pending.user_id, client)
    return signed_in


def _narrow(pending: PendingSignIn) -> Context:
    return Context(pending.tenant_id, customers=(), principal=pending.user_id)


def _check_pending(pending: PendingSignIn) -> ActingPrincipal:
    try:
        return acting_principal(pending.user_id, epoch=pending.epoch)
    except PrincipalRefused as refused:
        raise CodeRefused from refused


def _verify(pending: PendingSignIn, code: str, client: Client) -> SignedIn:
    principal = _check_pending(pending)
    user = User.objects.get(id=pending.user_id)
    device = confirmed_device(user)
    if device is None and not passkeys_of(user.pk).exists():
        return _first_code(user, principal, code, client)
    cookie = open_session(principal, method=_method(device, user, code), client=client)
    return SignedIn(cookie)


def _method(device: TotpDevice | None, user: User, code: str) -> str:
    if device is not None and accept_totp(device, code):
        return "totp"
    if accept_recovery_code(user, code):
        return "recovery_code"
    raise CodeRefused


def _first_code(user: User, principal: ActingPrincipal, code: str, client: Client) -> SignedIn:
    actor = principal.actor(client.address, client.request_id)
    confirm_totp(user, code, by=actor)
    codes = make_recovery_codes(user, by=actor)
    return SignedIn(open_session(principal, method="totp", client=client), tuple(codes))


def _record_code_refusal(pending: PendingSignIn, client: Client) -> None:
    with acting_for(_narrow(pending)), transaction.atomic():
        user = User.objects.select_related("principal").get(id=pending.user_id)
        known = _Known(user.pk, "", pending.epoch, pending.enrolled, user.email)
    _record_refusal(pending.tenant_id, known, "code", client)
