"""Two tenants with something in every room: a row in every table of a tenant, for two customers where it has them."""

import os
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection

from approvals.models import (
    ApprovalRequest,
    Comment,
    Delivery,
    ExecutionGrant,
    GrantUse,
    HeldGrant,
    HostAgent,
    Notification,
    NotificationChannels,
    NotificationCursor,
    NotificationEvent,
    NotificationPreferences,
    NtfyToken,
    Preview,
    Recipient,
    ToolRule,
    Vote,
)
from audit.actors import system
from audit.kinds import EventKind
from audit.models import (
    Alert,
    AlertHit,
    Checkpoint,
    CheckpointSignature,
    Cosignature,
    Epoch,
    HandoverDomain,
    Leaf,
    Pack,
    PackPiece,
    SavedFilter,
    SignatureRequest,
    Tile,
)  # fmt: skip
from audit.services import record
from billing.models import (
    ClosedMonth,
    CustomerCounter,
    ExportFile,
    ExportPiece,
    GaugeSample,
    PlanVersion,
    PriceList,
    QuotaCounter,
    RollupMark,
    SubscriptionPeriod,
    UsageCorrection,
    UsageEvent,
    UsageRollup,
)
from connectors.models import (
    AdoptedSecret,
    ClientList,
    ClientSource,
    ConnectorInstance,
    Credential,
    CustomerMapping,
    Discovery,
    DryRun,
    HealthCheck,
    Hook,
    HookDelivery,
    IdempotencyKey,
    ImportedTool,
    KeptAnswer,
    OwnCredential,
    Pause,
    SealedSecret,
    Signal,
    SignalPull,
    ToolCall,
    VendorClient,
)
from identity.models import (
    AgentSession,
    Attempts,
    CustomerPermission,
    EmailChange,
    Invitation,
    Mail,
    OAuthApplication,
    OAuthCode,
    OAuthRefreshToken,
    Passkey,
    PasswordReset,
    Principal,
    RecoveryCode,
    RoleBinding,
    SecurityPolicy,
    ServiceAccount,
    ServiceAccountKey,
    ServiceAccountSecret,
    Session,
    SpentAssertion,
    SpentChallenge,
    TotpDevice,
    User,
)
from tenants.ids import uuid7
from tenants.isolation.models import TenantModel
from tenants.models import Asset, BilledQuantity, Customer
from tests.conftest import connected
from tests.factories import TenantWorld, make_tenant

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)


@dataclass
class Furnished:
    """`people`: a person of each of the first two customers."""

    world: TenantWorld
    people: list[UUID] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return self.world.id

    @property
    def customers(self) -> list[Customer]:
        return self.world.customers


def tenant_models() -> list[type[TenantModel]]:
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


def as_administrator(database: str | None = None) -> AbstractContextManager[None]:
    """Whom no policy holds: to furnish, and to count what is really there."""
    url = urlsplit(os.environ["MSPLEX_ADMIN_DATABASE_URL"])
    query = "&".join(filter(None, [url.query, "options=-csearch_path%3Dcontent"]))
    place = url._replace(path=f"/{database or os.environ['MSPLEX_TEST_DATABASE']}", query=query)
    return connected("default", urlunsplit(place))


def furnish(name: str, database: str | None = None) -> Furnished:
    """Every value is the tenant's own, so that none meets another tenant's by chance."""
    furnished = Furnished(make_tenant(f"{name}-{secrets.token_hex(3)}"))
    with as_administrator(database), furnished.world.acting():
        _rooms_of_the_tenant(furnished.world)
        for customer in furnished.customers[:2]:
            furnished.people.append(_rooms_of_a_customer(customer))
        with connection.cursor() as cursor:  # the rows of its log are made up: nothing for the sealer
            cursor.execute("DELETE FROM border.audit_pending WHERE tenant_id = %s", [furnished.id])
    return furnished


def _rooms_of_the_tenant(world: TenantWorld) -> None:
    Epoch.objects.create(number=0, origin=world.workspace)
    Tile.objects.create(epoch=0, level=0, number=0, hashes=b"", root=bytes(32))
    Checkpoint.objects.create(epoch=0, size=0, root=bytes(32), leaves=b"", sealed_at=NOW)
    CheckpointSignature.objects.create(epoch=0, size=0, key=bytes(32), value=bytes(64))
    SecurityPolicy.objects.create()
    NotificationCursor.objects.create()
    NotificationChannels.objects.create()
    NotificationEvent.objects.create(id=uuid7())
    NtfyToken.objects.create(key_id="tests", sealed=b"")
    HandoverDomain.objects.create(name=f"{world.workspace}.example", token="t", added_by="tests")
    SpentChallenge.objects.create(digest=secrets.token_bytes(32))
    Attempts.objects.create(subject=secrets.token_bytes(32), last_at=NOW)
    QuotaCounter.objects.create(connector=world.workspace, month=NOW.date().replace(day=1))
    _terms_of_the_tenant()
    instance = ConnectorInstance.objects.create(connector="halopsa", slug=world.workspace, name=world.name)
    Pause.objects.create(instance=instance, call_id=uuid7(), tool="tests")
    HealthCheck.objects.create(instance=instance, milliseconds=1)
    tool = ImportedTool.objects.create(instance=instance, name="tests")
    ClientSource.objects.create(instance=instance, tool=tool, pinned={}, pinned_digest="0" * 64, declared_at=NOW)
    hook = Hook.objects.create(instance=instance, address=world.workspace, generation="0" * 32, way="signed")
    HookDelivery.objects.create(hook=hook, digest="0" * 64, received_at=NOW)
    Discovery.objects.create(instance=instance)
    ClientList.objects.create(instance=instance)
    VendorClient.objects.create(instance=instance, external_id=world.workspace, name=world.name, first_seen_at=NOW)
    SignalPull.objects.create(instance=instance)
    credential = Credential.objects.create(instance=instance, version=1, digest="0" * 64, created_by="tests")
    SealedSecret.objects.create(credential=credential, suite="tests", kek_id="1", sealed=b"sealed")
    AdoptedSecret.objects.create(
        credential=credential, suite="tests", kek_id="1", payload=b"sealed", wrapped_key=b"key", rev=1, signature=b"",
        intake_kek_id="1", adopted_at=NOW, data_key_at=NOW,
    )  # fmt: skip


def _terms_of_the_tenant() -> None:
    plan = PlanVersion.objects.create(plan="tests", number=1, retention_days=1, connectors={}, created_by="tests")
    SubscriptionPeriod.objects.create(plan_version=plan, status="active", version=1, valid_from=NOW, changed_by="tests")
    PriceList.objects.create(valid_from=NOW, changed_by="tests")
    RollupMark.objects.create()
    file = ExportFile.objects.create(what="calls", month=NOW.date().replace(day=1), format="csv", ordered_by="tests")
    ExportPiece.objects.create(file=file, position=0, content=b"tests")
    ClosedMonth.objects.create(month=NOW.date().replace(day=1), closed_at=NOW)


def _counted(customer: Customer) -> None:
    month = NOW.date().replace(day=1)
    of = {"customer": customer, "meter": "active_assets"}
    Asset.objects.create(customer=customer, name="tests", external_ref=secrets.token_hex(8))
    BilledQuantity.objects.create(customer=customer, source=uuid7(), owner="1", product="tests", read_at=NOW)
    GaugeSample.objects.create(at=NOW, value=1, **of)
    UsageRollup.objects.create(grain="hour", starts_at=NOW, quantity=1, **of)
    UsageCorrection.objects.create(month=month, booked_in=month, quantity=1, created_at=NOW, **of)


def _rooms_of_a_customer(customer: Customer) -> UUID:
    user = _person(customer)
    _person(customer)  # a colleague: what is the customer's and not one's own
    principal = {"principal_id": user.id, "connector": "halopsa", "tool": "list_tickets"}
    who = {"principal_kind": "user", "principal_label": "tests"}
    UsageEvent.objects.create(customer=customer, occurred_at=NOW, **principal)
    CustomerCounter.objects.create(customer=customer, month=NOW.date().replace(day=1))
    _counted(customer)
    call = ToolCall.objects.create(customer=customer, state="queued", **principal, **who)
    IdempotencyKey.objects.create(principal_id=user.id, customer=customer, digest="0" * 64, call_id=call.id)
    KeptAnswer(principal_id=user.id, customer=customer, call_id=call.id, sealed=b"x", kept_at=NOW).save()
    ToolRule.objects.create(position=ToolRule.objects.count() + 1, name="tests", effect="allow", customer=customer)
    _asked(customer, user)
    _told(customer, user.id)
    event = record(EventKind.CUSTOMER_CREATED, actor=system("tests"), customer_id=customer.id)
    index = Leaf.objects.count()
    Leaf.objects.create(id=event, epoch=0, index=index, customer_id=customer.id, k=0)
    _packed(customer)
    _desk_of_the_auditor(customer, user.id)
    Signal.objects.create(
        instance=ConnectorInstance.objects.get(), customer=customer, kind="alert", external_id=secrets.token_hex(8),
        owner=customer.key, title="tests", seen_at=NOW,
    )  # fmt: skip
    DryRun.objects.create(tool=ImportedTool.objects.get(), customer=customer, terms_digest="0" * 64, asked_by="tests")
    of = {"instance": ConnectorInstance.objects.get(), "customer": customer}
    mapping = CustomerMapping.objects.create(external_id=secrets.token_hex(8), **of)
    Credential.objects.create(version=1, digest="0" * 64, created_by="tests", **of)
    OwnCredential.objects.create(mapping=mapping, stored_at=NOW, **of)
    return user.id


def _asked(customer: Customer, user: User) -> None:
    request = ApprovalRequest.objects.create(
        customer=customer, instance=ConnectorInstance.objects.get(), requester_id=user.id, answerable_id=user.id,
        requester_kind="user", requester_label="tests", connector="halopsa", tool="list_tickets", arguments={},
        fingerprint="0" * 64, tool_digest="0" * 64, policy_version="1", need=1, nonce=secrets.token_hex(16),
        digest=secrets.token_hex(32), created_at=NOW, decide_by=LATER,
    )  # fmt: skip
    of = {"request": request, "customer": customer}
    Vote.objects.create(
        requester_id=user.id, answerable_id=user.id, digest=request.digest, approver_id=_person(customer).id,
        approver_label="tests", decision="approve", factor="totp", factor_ref=secrets.token_hex(32), created_at=NOW,
        **of,
    )  # fmt: skip
    Comment.objects.create(author_id=user.id, author_label="tests", text="tests", **of)
    ExecutionGrant.objects.create(
        call_id=uuid7(), nonce=request.nonce, digest=request.digest, payload="{}", signature=bytes(64), issued_at=NOW,
        **of,
    )  # fmt: skip
    Preview.objects.create(state="none", why="tests", **of)
    _held(request, customer)


def _held(request: ApprovalRequest, customer: Customer) -> None:
    asset = Asset.objects.create(customer=customer, name="holds grants")
    agent = HostAgent.objects.create(
        customer=customer, asset=asset, client_id=f"mspx_h_{secrets.token_hex(16)}", code_expires_at=LATER,
        created_by="tests",
    )  # fmt: skip
    grant = HeldGrant.objects.create(
        request=request, customer=customer, agent=agent, asset=asset, instance=request.instance, connector="halopsa",
        tool="list_tickets", nonce=request.nonce, digest=request.digest, token="", not_before=NOW, not_after=LATER,
        critical_alert=True, uses=1, issued_at=NOW,
    )  # fmt: skip
    GrantUse.objects.create(
        customer=customer, agent=agent, grant=grant, grant_ref=grant.pk, number=1, evidence="", received_at=NOW
    )


def _told(customer: Customer, user: UUID) -> None:
    notification = Notification.objects.create(
        kind="tests", severity="info", key=customer.key, shared=False, title="tests", text="tests", customer=customer,
        place="approval", event_id=uuid7(), first_at=NOW, last_at=NOW,
    )  # fmt: skip
    Recipient.objects.create(notification=notification, person_id=user)
    Delivery.objects.create(notification=notification, person_id=user, channel="email", next_try_at=LATER)
    NotificationPreferences.objects.create(person_id=user)


def _packed(customer: Customer) -> None:
    pack = Pack.objects.create(customer=customer, month="2026-04", epoch=1, start=0, size=9, requested_by="tests")
    of = {"pack": pack, "customer": customer}
    PackPiece.objects.create(name="proof.json", position=0, content=b"{}", **of)
    SignatureRequest.objects.create(purpose="sums", message=secrets.token_bytes(32), **of)
    Cosignature.objects.create(
        customer=customer, epoch=1, size=9, witness="w+0+0", line=secrets.token_hex(8), stamped_at=NOW,
        handed_in_by="tests",
    )  # fmt: skip


def _desk_of_the_auditor(customer: Customer, user: UUID) -> None:
    key = secrets.token_bytes(32)
    AlertHit.objects.create(key=key, at=NOW)
    Alert.objects.create(
        kind="secret_refused", severity="high", key=key, first_at=NOW, last_at=NOW, customer=customer,
        event_id=uuid7(), event_kind="tests", actor_kind="system",
    )  # fmt: skip
    SavedFilter.objects.create(owner_id=user, owner_label="tests", name="tests", query="result=failed")


def _person(customer: Customer) -> User:
    email = f"{secrets.token_hex(6)}@{customer.key}.example"
    principal = Principal.objects.create(kind="user", label=email, customer=customer)
    user = User.objects.create(id=principal.id, principal=principal, customer=customer, email=email, name=email)
    RoleBinding.objects.create(principal=principal, role="customer_manager", customer=customer, created_by="tests")
    CustomerPermission.objects.create(user=user, content_object=customer, permission=Permission.objects.earliest("id"))
    TotpDevice.objects.create(user=user, name="tests", sealed_seed=secrets.token_bytes(32))
    RecoveryCode.objects.create(user=user, code_hash=secrets.token_bytes(32))
    Passkey.objects.create(user=user, name="tests", credential_id=secrets.token_bytes(32), public_key=bytes(32))
    Session.objects.create(
        principal=principal, customer=customer, key_hash=secrets.token_bytes(32), epoch=1, last_seen_at=NOW,
        expires_at=LATER, mfa_at=NOW, mfa_method="totp",
    )  # fmt: skip
    _mailbox(user, customer)
    _machine(user, customer)
    _agent(user, customer)
    return user


def _agent(user: User, customer: Customer) -> None:
    name = secrets.token_hex(6)
    application = OAuthApplication.objects.create(client_id=name, client_key=name, name=name)
    session = AgentSession.objects.create(
        user=user, application=application, customer=customer, scope="gateway:tool:read", epoch=1, expires_at=LATER
    )
    held = {"user": user, "application": application, "agent_session": session, "expires": LATER}
    OAuthCode.objects.create(code=name, redirect_uri="https://client.example/cb", **held)
    OAuthRefreshToken.objects.create(token_checksum=name, **held)


def _mailbox(user: User, customer: Customer) -> None:
    mail = Mail.objects.create(template="invitation", recipient=user.email, customer=customer)
    Invitation.objects.create(
        email=f"{secrets.token_hex(6)}@x.example", role="customer_viewer", customer=customer, mail=mail,
        token_hash=secrets.token_bytes(32), inviter_id=user.id, inviter_label="tests", expires_at=LATER,
        accepted_at=NOW, member=user,
    )  # fmt: skip
    PasswordReset.objects.create(user=user, token_hash=secrets.token_bytes(32), expires_at=LATER)
    EmailChange.objects.create(
        user=user, old_email=user.email, new_email="x@x.example", token_hash=secrets.token_bytes(32), expires_at=LATER
    )


def _machine(owner: User, customer: Customer) -> None:
    name = secrets.token_hex(6)
    principal = Principal.objects.create(kind="service_account", label=name, customer=customer)
    account = ServiceAccount.objects.create(
        id=principal.id, principal=principal, name=name, purpose="tests", owner=owner, client_id=name, expires_at=LATER
    )
    ServiceAccountSecret.objects.create(
        account=account, digest=secrets.token_bytes(32), prefix=name[:12], created_by="tests", expires_at=LATER
    )
    ServiceAccountKey.objects.create(
        account=account, kid=name, algorithm="ES256", jwk={}, slot=1, created_by="tests", expires_at=LATER
    )
    SpentAssertion.objects.create(account=account, digest=secrets.token_bytes(32), expires_at=LATER)
