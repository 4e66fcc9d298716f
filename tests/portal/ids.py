"""An id for every parameter of every address: where a route of a new kind appears, this is what has to learn it."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from approvals.models import ApprovalRequest, HeldGrant, Notification, Recipient, ToolRule
from approvals.rules import add_rule
from audit.actors import system
from audit.kinds import EventKind
from audit.models import Alert, Cosignature, Event, HandoverDomain, Pack
from audit.saving import save_filter
from audit.services import record
from billing.models import ExportFile
from billing.months import this_month
from connectors.hooks import make_hook
from connectors.models import ClientSource, CustomerMapping, ImportedTool
from connectors.selectors import hook_of
from identity.models import AgentSession, Passkey, RoleBinding, ServiceAccountKey, ServiceAccountSecret, Session
from identity.services import add_key
from tests.identity.factories import SETUP
from tests.identity.signing import public_key
from tests.portal.factories import Furnished, make_request
from tests.portal.hosts import make_grant, make_host_agent
from tests.routes import Route, routes
from tests.tenants.furnishing import as_administrator

Find = Callable[[Furnished], UUID]
# Their parameter is a key of the catalogue, which is code and the same for all.
CATALOGUE = {"portal:connector_start", "api:connector-detail"}
# Their parameter is a token that names no object: it is the credential (tests/portal/test_own_account.py).
LINKS = {"portal:link_email", "portal:link_email_undo", "portal:link_password", "portal:welcome"}


def binding_of(principal: Callable[[Furnished], UUID]) -> Find:
    def find(it: Furnished) -> UUID:
        with it.world.acting():
            return RoleBinding.objects.get(principal=principal(it)).pk

    return find


def mapping_of(it: Furnished) -> UUID:
    with it.world.acting():
        return CustomerMapping.objects.filter(instance=it.instance).earliest("id").pk


def imported_of(it: Furnished) -> UUID:
    """Of the furnished connection, though that is to a vendor: the rooms ask only whose it is."""
    with it.world.acting():
        seen = {"name": "list_things", "inputSchema": {"type": "object"}}
        found, _ = ImportedTool.objects.get_or_create(
            instance=it.instance, name="list_things", defaults={"seen": seen, "seen_digest": "0" * 64}
        )
        said = {"tool": found, "pinned": {}, "pinned_digest": "0" * 64, "declared_at": datetime.now(UTC)}
        ClientSource.objects.get_or_create(instance=it.instance, defaults=said)
        return found.pk


def secret_of(it: Furnished) -> UUID:
    with it.world.acting():
        return ServiceAccountSecret.objects.get(account=it.machine.account).pk


def key_of(it: Furnished) -> UUID:
    with it.world.acting():
        found = ServiceAccountKey.objects.filter(account=it.machine.account).first()
        return (found or add_key(it.machine.account, public_key=public_key(), by=SETUP)).pk


def customer_of(it: Furnished) -> UUID:
    return it.world.customers[0].pk


def owner_of(it: Furnished) -> UUID:
    return it.owner.id


def machine_of(it: Furnished) -> UUID:
    return it.machine.id


def session_of(it: Furnished) -> UUID:
    it.owner.browser()
    with it.world.acting():
        return Session.objects.filter(principal=it.owner.id, ended_at=None).order_by("id")[0].pk


def passkey_of(it: Furnished) -> UUID:
    with it.world.acting():
        found, _ = Passkey.objects.get_or_create(user=it.owner.user, name="Laptop", credential_id=b"laptop")
        return found.pk


def instance_of(it: Furnished) -> UUID:
    """With a webhook, and a tool that lists its clients: some rooms are about those."""
    imported_of(it)
    with it.world.acting():
        if hook_of(it.instance) is None:
            make_hook(it.instance, way="signed", by=SETUP)
    return it.instance.pk


def invitation_of(it: Furnished) -> UUID:
    return it.invitation.pk


def agent_of(it: Furnished) -> UUID:
    with it.world.acting():
        return AgentSession.objects.earliest("id").pk


def alert_of(it: Furnished) -> UUID:
    with it.world.acting():
        if not Alert.objects.exists():
            record(EventKind.CREDENTIAL_REFUSED, actor=system("tests"), result="refused")
        return Alert.objects.latest("id").pk


def filter_of(it: Furnished) -> UUID:
    with it.world.acting():
        return save_filter("Failed", "result=failed", shared=True, by=it.owner.actor).pk


def notification_of(it: Furnished) -> UUID:
    """The owner's own, and open."""
    with as_administrator(), it.world.acting():
        now = datetime.now(UTC)
        made = Notification.objects.create(
            kind="approval_needed", severity="warning", key=f"tests:{uuid4()}", shared=False, place="approval",
            title="Your approval is asked for", text="halopsa_update_ticket for Acme, asked by triage-agent",
            event_id=uuid4(), first_at=now, last_at=now, customer=it.world.customers[0],
        )  # fmt: skip
        return Recipient.objects.create(notification=made, person_id=it.owner.id).pk


# Switched off: it is there to be looked at, and others make calls in the same world.
NO_CHANGES = {"name": "No changes", "effect": "refuse", "risk": "write", "enabled": False}


def rule_of(it: Furnished) -> UUID:
    with it.world.acting():
        found = ToolRule.objects.first()
        return (found or add_rule(NO_CHANGES, by=SETUP)).pk


def event_of(it: Furnished) -> UUID:
    with it.world.acting():
        return Event.objects.latest("id").pk


def approval_of(it: Furnished) -> UUID:
    with it.world.acting():
        found = ApprovalRequest.objects.order_by("-id").first()
    return (found or make_request(it.world, reason="The printer is stuck", ticket="T-17")).pk


def agent_at_host(it: Furnished) -> UUID:
    return make_host_agent(it.world).pk


def grant_of(it: Furnished) -> UUID:
    with it.world.acting():
        found = HeldGrant.objects.order_by("-id").first()
    return (found or make_grant(it.world)).pk


READY = {"requested_by": "tests", "state": "ready", "k_from": 0, "k_to": 0}


def pack_of(it: Furnished) -> UUID:
    with it.world.acting():
        terms = {"customer": it.world.customers[0], "month": "2026-04", "epoch": 1, "start": 0, "size": 9}
        return Pack.objects.get_or_create(**terms, defaults=READY)[0].pk


def file_of(it: Furnished) -> UUID:
    """Ready, and empty."""
    found = {"what": "calls", "month": this_month(), "format": "csv", "state": "ready"}
    made = {"ordered_by": "tests", "sha256": "0" * 64, "ready_at": datetime.now(UTC)}
    with it.world.acting():
        return ExportFile.objects.get_or_create(**found, defaults=made)[0].pk


def domain_of(it: Furnished) -> UUID:
    with it.world.acting():
        return HandoverDomain.objects.get_or_create(name="msp.example", defaults={"token": "t", "added_by": "t"})[0].pk


def cosignature_of(it: Furnished) -> UUID:
    with it.world.acting():
        return Cosignature.objects.get_or_create(
            customer=it.world.customers[0], epoch=1, size=9, line="x",
            defaults={"witness": "w+0+0", "handed_in_by": "t", "stamped_at": datetime.now(UTC)},
        )[0].pk  # fmt: skip


# (the noun that an address is about, its parameter) -> an id of such an object
IDS: dict[tuple[str, str], Find] = {
    ("agent", "pk"): agent_of,
    ("approval", "pk"): approval_of,
    ("grant", "pk"): grant_of,
    ("host_agent", "pk"): agent_at_host,
    ("alert", "pk"): alert_of,
    ("notification", "pk"): notification_of,
    ("audit_event", "pk"): event_of,
    ("pack", "pk"): pack_of,
    ("billing_file", "pk"): file_of,
    ("pack_domain", "pk"): domain_of,
    ("cosignature", "pk"): cosignature_of,
    ("policy_rule", "pk"): rule_of,
    ("audit_filter", "pk"): filter_of,
    ("saved_filter", "pk"): filter_of,
    ("call", "pk"): lambda it: it.call.pk,
    ("account_session", "pk"): session_of,
    ("session", "pk"): session_of,
    ("own_passkey", "pk"): passkey_of,
    ("passkey", "pk"): passkey_of,
    ("person", "session"): session_of,
    ("connector", "pk"): instance_of,
    ("connector", "mapping"): mapping_of,
    ("connector", "tool"): imported_of,
    ("imported_tool", "pk"): imported_of,
    ("billing_limit", "pk"): customer_of,
    ("customer", "pk"): customer_of,
    ("people", "pk"): invitation_of,
    ("person", "pk"): owner_of,
    ("person", "binding"): binding_of(owner_of),
    ("service_account", "pk"): machine_of,
    ("service_account", "binding"): binding_of(machine_of),
    ("service_account", "secret"): secret_of,
    ("service_account", "key"): key_of,
}
NOUNS = {
    "approval_request": "approval",
    "held_grant": "grant",
    "tool_call": "call",
    "tool_rule": "policy_rule",
    "audit_pack": "pack",
    "audit_cosignature": "cosignature",
    "handover_domain": "pack_domain",
    "connector_instance": "connector",
    "member": "person",
    "invitation": "people",
}  # of the API, where they differ


def noun(route: Route) -> str:
    name = route.name.partition(":")[2].replace("-", "_")
    known = sorted({*NOUNS, *(noun for noun, _ in IDS)}, key=len, reverse=True)
    found = next((each for each in known if name == each or name.startswith(f"{each}_")), None)
    assert found is not None, f"{route.name} is about something that IDS does not know"
    return NOUNS.get(found, found)


def with_ids(namespace: str) -> list[Route]:
    found = [route for route in routes(namespace) if route.parameters and route.name not in CATALOGUE | LINKS]
    assert len(found) > 10
    return found


def of(it: Furnished, route: Route) -> dict[str, UUID]:
    return {parameter: IDS[noun(route), parameter](it) for parameter in route.parameters}
