"""Pictures of every page, light, dark and narrow, for people to look at: MSPLEX_PICTURES=folder."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page

from approvals.services import comment
from approvals.voting import reject
from audit.saving import save_filter
from connectors.health import Checkup
from connectors.models import ConnectorInstance, HealthCheck, Pause, Signal, SignalPull, ToolCall
from connectors.pauses import resume_risky_tools
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from identity.models import Invitation, Passkey, Session
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services import (
    Client,
    create_customer,
    create_service_account,
    invite,
    request_password_reset,
    set_security_policy,
)
from msplex.decision.verdicts import Gate
from tests.approvals.asking import approve, demote
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, acting_as, make_machine, make_member, make_person
from tests.identity.post import link_in, post
from tests.oauth.flow import McpClient
from tests.portal.factories import (
    PASSED,
    Furnished,
    make_batch,
    make_call,
    make_preview,
    make_request,
    refused_at,
    ticket_seen,
)
from tests.portal.pages import every_page
from tests.portal.test_audit import MACHINE, a_call
from tests.portal.watch import Watched
from tests.tenants.furnishing import as_administrator

FOLDER = os.environ.get("MSPLEX_PICTURES", "")
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", 360)}
NAMES = (
    "Riverside Dental",
    "Oakfield Legal",
    "Bright Harbour Accounting and Bookkeeping Partnership of the North East",
)
LONG_NAME = "Automation for the onboarding of clients taken over in the North East and neighbouring counties"
REFUSALS = (
    (Gate.EVALUATE_POLICY, "policy_denied"),
    (Gate.RESOLVE_CUSTOMER, "customer_required"),
    (Gate.EVALUATE_POLICY, "policy_denied"),
    (Gate.CHECK_QUOTA, "quota_exhausted"),
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="no folder for pictures (set MSPLEX_PICTURES)"),
]


@pytest.fixture(scope="module")
def northwind(_database: None) -> Furnished:
    """A tenant in the middle of its day."""
    world = make_tenant("northwind", customers=0)
    owner = make_member(world, Role.OWNER)
    with world.acting():
        world.customers = [create_customer(name=name, key=name.split()[0].lower(), by=SETUP) for name in NAMES]
        instance = start_instance("halopsa", by=SETUP)
        settings = {"base_url": "https://northwind.halopsa.example", "client_id": "msplex"}
        secret = {"client_secret": "not-a-real-secret-0000"}
        instance = configure_instance(instance, settings=settings, secret=secret, by=SETUP)
        instance = record_health(instance, Checkup("", "Signed in at the vendor."))
        instance = activate_instance(instance, by=owner.actor)
        for number, customer in enumerate(world.customers):
            map_customer(
                instance, customer=customer, external_id=str(11 + number), external_name=customer.name, by=SETUP
            )
        start_instance("halopsa", name=f"HaloPSA ({LONG_NAME})", by=SETUP)
    _history(owner)
    make_person(world, Role.OPERATOR, name="bob")
    make_person(world, Role.VIEWER, name="with-a-very-long-name-that-does-not-fit-a-phone")
    make_person(world, Role.CUSTOMER_MANAGER, name="carol", customer=world.customers[0])
    machine = make_machine(world, customers=(world.customers[0],), owner=owner)
    McpClient.registered().tokens(owner, world.customers[0])
    McpClient.registered("VS Code", "https://vscode.dev/redirect").tokens(owner, None)
    with world.acting():
        create_service_account(name=LONG_NAME, purpose=LONG_NAME, owner=owner.user, role=Role.VIEWER, by=SETUP)
    make_call(world, tool="x" * 128, principal_label=LONG_NAME, customer=None, rows_returned=None, rows_dropped=None)
    make_call(world, tool="", state=ToolCall.State.UNKNOWN, rows_returned=None, rows_dropped=None)
    with world.acting():
        invite(email="dora@northwind.example", role=Role.OPERATOR, reason="Night shift from May on", by=owner.actor)
        customer = world.customers[0]
        late = invite(email="emil@riverside.example", role=Role.CUSTOMER_VIEWER, customer=customer, by=owner.actor)
        Invitation.objects.filter(id=late.pk).update(expires_at=timezone.now() - timedelta(days=1))
    calls = [_call(world, instance, number) for number in range(12)]
    return Furnished(world, owner, instance, machine, calls[0], calls[4], late)


AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "curl/8.5.0",
)


def _history(person) -> None:
    """Passkeys, and sessions that ended in every way."""
    now = timezone.now()
    with person.world.acting():
        for number, name in enumerate(("Work laptop", "The phone that I also use for pictures of racks", "Key")):
            used = now - timedelta(hours=number) if number else None
            Passkey.objects.create(
                user=person.user, name=name, credential_id=name.encode(), backup_state=number == 1, last_used_at=used
            )
        for number, reason in enumerate(("", *Session.End.values)):
            begun = now - timedelta(hours=7 * number + 1)
            Session.objects.create(
                principal_id=person.id, key_hash=bytes([number]) * 32, epoch=1, last_seen_at=now, mfa_at=begun,
                expires_at=begun + timedelta(hours=12), mfa_method=("totp", "passkey", "recovery_code")[number % 3],
                ended_at=begun + timedelta(hours=1) if reason else None, end_reason=reason,
                ended_by=person.user.email if reason in {"revoked", "factor_changed"} else "",
                address=("192.0.2.17", "2001:db8:85a3::8a2e:370:7334")[number % 2], user_agent=AGENTS[number % 4],
            )  # fmt: skip


@pytest.fixture
def tailspin() -> Person:
    """The owner of a tenant that has nothing yet."""
    return make_person(make_tenant("tailspin", customers=0), Role.OWNER)


def _call(world, instance, number: int) -> ToolCall:
    customer = world.customers[number % 3]
    gate, code = REFUSALS[number % 4] if number % 3 == 1 else ("", "")
    state, verdicts = (ToolCall.State.REFUSED, refused_at(gate, code)) if gate else (ToolCall.State.SUCCEEDED, PASSED)
    made = make_call(
        world, instance=instance, customer=customer, state=state, gate=gate, code=code, verdicts=verdicts,
        tool=("halopsa_list_tickets", "halopsa_get_ticket")[number % 2], rows_returned=None if gate else number,
        rows_dropped=None if gate else number % 4, vendor_requests=0 if gate else 1,
    )  # fmt: skip
    if not gate:
        with as_role("broker"), world.acting():
            started = made.created_at + timedelta(milliseconds=14)
            finished = made.created_at + timedelta(milliseconds=80 + 37 * number)
            ToolCall.objects.filter(id=made.pk).update(started_at=started, finished_at=finished)
    return made


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_the_door(page: Page, watched: Watched, northwind: Furnished, look: str) -> None:
    watched.expected |= {410}
    _dress(page, look)
    page.goto(reverse("portal:sign_in"))
    _picture(page, "sign_in", look)
    newcomer = make_person(northwind.world, name="dora")
    _give_password(page, newcomer)
    _picture(page, "enrol", look)
    with newcomer.world.acting():
        set_security_policy(idle_minutes=60, session_minutes=720, passkey_sign_in=True, by=SETUP)
    page.reload()
    _picture(page, "enrol_passkey", look)
    _give_password(page, northwind.owner)
    _picture(page, "code_passkey", look)
    page.evaluate("delete window.PublicKeyCredential")
    page.add_init_script("delete window.PublicKeyCredential")
    page.reload()
    _picture(page, "no_passkeys", look)
    with newcomer.world.acting():
        set_security_policy(idle_minutes=60, session_minutes=720, passkey_sign_in=False, by=SETUP)
    page.goto(reverse("portal:forgotten"))
    _picture(page, "forgotten", look)
    for name, url in _links(northwind, look).items():
        page.goto(url)
        _picture(page, name, look)


def _links(northwind: Furnished, look: str) -> dict[str, str]:
    """As they stand in the mailbox."""
    post(northwind.world)
    with northwind.world.acting():
        invite(email=f"{look}@x.example", role=Role.CUSTOMER_VIEWER, customer=northwind.world.customers[2], by=SETUP)
    request_password_reset(
        workspace=northwind.world.workspace, email=northwind.owner.user.email, client=Client("192.0.2.9")
    )
    (welcome, password) = (link_in(letter).removeprefix(settings.PUBLIC_URL) for letter in post(northwind.world))
    return {"welcome": welcome, "password": password, "gone": reverse("portal:welcome", args=["x"])}


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_every_page(page: Page, northwind: Furnished, as_person, look: str) -> None:
    as_person(northwind.owner)
    _dress(page, look)
    for name, url in every_page(northwind).items():
        page.goto(url)
        _picture(page, name, look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_what_the_log_tells(page: Page, northwind: Furnished, as_person, look: str) -> None:
    with as_role("worker"), northwind.world.acting():
        of = {"instance_id": northwind.instance.pk, "call_id": northwind.call.pk}
        Pause.objects.create(tool="list_tickets", why=Pause.Why.FOREIGN_ROWS, **of)
        pause = Pause.objects.create(tool="close_ticket", **of)
    with as_administrator(), northwind.world.acting():
        for hours in range(23):
            code, milliseconds = ("vendor_timeout", 9_000) if hours == 7 else ("", 200 + 90 * (hours % 5))
            one = HealthCheck.objects.create(instance_id=northwind.instance.pk, milliseconds=milliseconds, code=code)
            HealthCheck.objects.filter(id=one.id).update(created_at=timezone.now() - timedelta(hours=hours))
        _signals(northwind)
    with northwind.world.acting():
        save_filter(f"Failed, {look}", "result=failed", shared=True, by=northwind.owner.actor)
    call = a_call(northwind.world, MACHINE, "token")
    as_person(northwind.owner)
    _dress(page, look)
    for name, url in {
        "trace": f"{reverse('portal:audit_trace')}?call={call.id}",
        "audit-narrowed": f"{reverse('portal:audit')}?call={call.id}",
        "paused": reverse("portal:connector_instance", args=[northwind.instance.pk]),
        "signals": reverse("portal:signals"),
        "signals-of-a-customer": reverse("portal:customer_signals", args=[northwind.world.customers[0].pk]),
        "signals-on-the-dashboard": reverse("portal:dashboard"),
    }.items():
        page.goto(url)
        _picture(page, name, look)
    page.goto(f"{reverse('portal:audit')}?call={call.id}")
    page.get_by_role("link", name="Call finished").click()
    _picture(page, "event-of-a-call", look)
    with northwind.world.acting():
        resume_risky_tools(northwind.instance, through=pause.pk, reason="Looked.", by=SETUP)


def _signals(it: Furnished) -> None:
    """Once for all looks."""
    if Signal.objects.exists():
        return
    now, first = timezone.now(), it.world.customers[0]
    for number, (kind, severity, title, count) in enumerate(
        [
            ("alert", "critical", "Disk C: is full on SRV-DC01, and the backup of the night has not run since", None),
            ("sla", "high", "Printer of the reception prints blank pages", None),
            ("alert", "medium", "Agent offline", None),
            ("devices", "low", "Devices", 1248),
            ("cves", "critical", "Vulnerabilities rated critical", 17),
        ]
    ):
        Signal.objects.create(
            instance=it.instance, customer=first, kind=kind, severity=severity, title=title, count=count, owner="11",
            external_id=str(11001 + number), seen_at=now, opened_at=now - timedelta(days=number),
            due_at=now - timedelta(days=1) if kind == "sla" else None,
        )  # fmt: skip
    SignalPull.objects.create(instance=it.instance, pulled_at=now, ok_at=now, kept=5, unmapped=12)


def _give_password(page: Page, person) -> None:
    page.goto(reverse("portal:sign_in"))
    page.get_by_label("Workspace").fill(person.world.workspace)
    page.get_by_label("E-mail").fill(person.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


EMPTY = ("dashboard", "calls", "connectors", "customers", "people", "service_accounts")


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_tenant_with_nothing(page: Page, tailspin: Person, as_person, look: str) -> None:
    as_person(tailspin)
    _dress(page, look)
    for name in EMPTY:
        page.goto(reverse(f"portal:{name}"))
        _picture(page, f"empty-{name}", look)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("role", [Role.BILLING, Role.CUSTOMER_VIEWER])
def test_pictures_for_those_who_see_less(page: Page, northwind: Furnished, as_person, look: str, role: Role) -> None:
    customer = northwind.world.customers[0] if role is Role.CUSTOMER_VIEWER else None
    as_person(make_person(northwind.world, role, name=role.value, customer=customer))
    _dress(page, look)
    for name in ("dashboard", "customers") if role is Role.BILLING else ("dashboard", "calls", "connectors"):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, f"{role.value}-{name}", look)
    if role is Role.CUSTOMER_VIEWER:
        page.goto(reverse("portal:call", args=[northwind.call.pk]))
        _picture(page, f"{role.value}-call", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_what_goes_wrong(page: Page, watched: Watched, northwind: Furnished, as_person, look: str) -> None:
    as_person(northwind.owner)
    watched.expected |= {404, 422}
    _dress(page, look)
    for name, path in (
        ("no-call-fits", f"{reverse('portal:calls')}?tool=nothing"),
        ("strange-filter", f"{reverse('portal:calls')}?customer=nobody&instance={northwind.instance.pk}"),
        ("not-found", "/nothing-here/"),
    ):
        page.goto(path)
        _picture(page, name, look)
    page.goto(reverse("portal:customer_new"))
    page.get_by_label("Name", exact=True).fill("Riverside")
    page.get_by_label("Short name").fill("River Side")
    page.get_by_role("button", name="Add customer").click()
    _picture(page, "mend-customer", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_what_opens(page: Page, northwind: Furnished, as_person, look: str) -> None:
    as_person(northwind.owner)
    _dress(page, look)
    page.goto(reverse("portal:service_account", args=[northwind.machine.id]))
    page.get_by_role("button", name="Disable").click()
    _picture(page, "confirm", look, whole=False)
    page.goto(reverse("portal:account"))
    page.get_by_role("button", name="Make 10 new codes").click()
    _picture(page, "codes", look)
    if look == "narrow":
        page.goto("/")
        page.get_by_role("button", name="Menu").click()
        _picture(page, "menu", look, whole=False)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_connection_on_its_way(page: Page, tailspin: Person, as_person, look: str) -> None:
    as_person(tailspin)
    _dress(page, look)
    with tailspin.world.acting():
        instance = start_instance("halopsa", name=f"Service desk {look}", by=SETUP)
    url = reverse("portal:connector_instance", args=[instance.pk])
    page.goto(url)
    _picture(page, "connection-draft", look)
    with tailspin.world.acting():
        settings = {"base_url": "https://tailspin.halopsa.example", "client_id": "msplex"}
        instance = configure_instance(
            instance, settings=settings, secret={"client_secret": "not-a-real-secret-0000"}, by=SETUP
        )
    page.goto(url)
    _picture(page, "connection-waiting", look)
    with tailspin.world.acting():
        ConnectorInstance.objects.filter(id=instance.id).update(check_asked_at=timezone.now() - timedelta(minutes=2))
    page.goto(url)
    _picture(page, "connection-late", look)
    with tailspin.world.acting():
        refused = "The vendor did not accept the configured credential."
        record_health(instance, Checkup("vendor_unauthorized", refused, permanent=True))
    page.goto(url)
    _picture(page, "connection-failing", look)


def _dress(page: Page, look: str) -> None:
    scheme, width = LOOKS[look]
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})


def _picture(page: Page, name: str, look: str, *, whole: bool = True) -> None:
    page.screenshot(path=Path(FOLDER) / f"{name}-{look}.png", full_page=whole)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_approvals(
    page: Page, northwind: Furnished, tailspin: Person, context: BrowserContext, as_person, look: str
) -> None:
    world = northwind.world
    long = {"ticket_id": 11003, "password": "hunter2", "note": "A very long note. " * 120, "tags": ["a", "b"]}
    asked = make_request(
        world, arguments=long, approvers=3, reason="The spooler hangs again, and payroll is today", ticket="T-2041"
    )
    bob, carl = (make_member(world, Role.ADMIN, name=name) for name in ("bob-the-admin", "carl"))
    approve(bob, asked)
    demote(bob)
    approve(carl, asked)
    with world.acting():
        comment(asked, "Which host?\nThe old one?", by=carl.actor)
    one = make_request(world, arguments={"ticket_id": 11003, "status_id": 9, "priority_id": 1})
    wide = "Quarterly migration of every mailbox in the head office and both warehouses " * 3
    seen = ticket_seen(11003, wide)
    seen["effects"] += [{"label": "Assigned to", "now": None, "after": 12}, {"label": "Closed", "now": False}]
    make_preview(one, [seen])
    several = make_request(world, arguments={"ticket_id": 11004, "status_id": 8})
    make_preview(several, [ticket_seen(11000 + each, f"Mailbox {each} is full") for each in range(7)])
    batch = make_batch(world, one)
    make_preview(batch[0], [ticket_seen(20_003, "Mail does not leave")])
    over = make_request(world, approvers=1, arguments={"ticket_id": 3})
    with acting_as(carl):
        reject(over, principal=acting_principal(carl.id), reason="Not during payroll", by=carl.actor)
    own = make_request(world, principal_id=northwind.owner.id, principal_kind="user", arguments={"ticket_id": 4})
    as_person(northwind.owner)
    _dress(page, look)
    pages = {"asked": asked, "rejected": over, "own": own, "effects": one, "several": several, "batch": batch[0]}
    for name, request in pages.items():
        page.goto(reverse("portal:approval", args=[request.pk]))
        _picture(page, f"approval-{name}", look)
    page.goto(reverse("portal:approval_card", args=[one.pk]))
    _picture(page, "approval-effects-card", look)
    page.goto(reverse("portal:approvals"))
    _picture(page, "approvals-waiting", look)
    page.goto(f"{reverse('portal:approvals')}?show=")
    _picture(page, "approvals-all", look)
    page.goto(reverse("portal:approval_new"))
    _picture(page, "approval-new", look)
    context.clear_cookies()
    as_person(tailspin)
    page.goto(reverse("portal:approvals"))
    _picture(page, "approvals-empty", look)
