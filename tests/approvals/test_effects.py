"""What a request would change is read by the broker, by calls like any other, before anybody votes; and still holds."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from approvals.binding import digest_of
from approvals.effects.models import Preview
from approvals.effects.selectors import UNSEEN, Effects, effects_of
from approvals.effects.services import WAIT, begin, is_waited_for, settle
from approvals.errors import PreviewAwaited
from approvals.models import ApprovalRequest, ToolRule
from approvals.policy import Effect as Does
from approvals.policy import Ruling
from approvals.services import request_approval
from audit.kinds import EventKind
from billing.models import UsageEvent
from connectors.catalogue import all_connectors
from connectors.execution import Job, execute
from connectors.models import ToolCall
from identity.roles import Role
from identity.selectors import acting_principal
from msplex.execution import run
from msplex.previewing import read_effects
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement
from tests.approvals.asking import approve
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld, events_of, let_through
from tests.identity.factories import Person, acting_as, make_machine, make_member, make_person

pytestmark = pytest.mark.usefixtures("broker")
CHANGE = {"ticket_id": 11003, "status_id": 9, "priority_id": 1}
State = ApprovalRequest.State


class Asked:
    """An agent that may read and write wants a ticket changed; people have to agree."""

    def __init__(self, world: ConnectedWorld, role: Role = Role.OPERATOR, **given: Any) -> None:
        self.world, self.given = world, given
        with as_role("app"):
            self.machine = make_machine(world.tenant, role)
            self.person: Person = make_member(world.tenant, Role.ADMIN, name="anna")
            with world.tenant.acting():
                self.request = request_approval(self.call(**given), Ruling(Does.APPROVAL, 1))

    def agree(self) -> None:
        """What destroys, and what changes several, needs two people."""
        with as_role("app"):
            other = make_member(self.world.tenant, Role.ADMIN, name="bob")
            for person in (self.person, other):
                assert approve(person, self.request)

    def call(self, **given: Any) -> ToolCall:
        values = {
            "tenant_id": self.world.tenant.id, "principal_id": self.machine.id, "principal_kind": "service_account",
            "principal_label": "agent", "customer": self.world.tenant.customers[0], "instance": self.world.instance,
            "connector": "halopsa", "tool": "update_ticket", "arguments": CHANGE, "state": ToolCall.State.QUEUED,
        }  # fmt: skip
        return ToolCall(**values | given)

    def read(self) -> Preview:
        with acting_for(Context(self.world.tenant.id, (self.world.tenant.customers[0].id,))):
            read_effects(self.request.pk)
        return self.preview()

    def preview(self) -> Preview:
        with as_role("app"), self.world.tenant.acting():
            return Preview.objects.get(request=self.request)

    def ran(self) -> tuple[str, str]:
        with as_role("app"), self.world.tenant.acting():
            call = self.call(approval_id=self.request.pk, **self.given)
            let_through(call, self.world.instance)
            ApprovalRequest.objects.filter(id=self.request.pk).update(state=State.EXECUTING, call_id=call.pk)
        with acting_for(Context(self.world.tenant.id, (self.world.tenant.customers[0].id,))):
            run(call.pk)
        with as_role("app"), self.world.tenant.acting():
            now = ToolCall.objects.get(id=call.pk)
        return now.state, now.code

    def shown(self, person: Person, request: ApprovalRequest | None = None) -> Effects:
        with as_role("app"), acting_as(person):
            return effects_of(request or self.request, acting_principal(person.id))

    def now(self) -> ApprovalRequest:
        with as_role("app"), self.world.tenant.acting():
            return ApprovalRequest.objects.get(id=self.request.pk)


def changes(vendor: Any) -> list[Any]:
    return [each for each in vendor.seen()["changes"] if each["path"] != "/auth/token"]


def test_it_tells_the_object_and_what_each_field_is_and_would_be(connected, vendor) -> None:
    asked = Asked(connected)

    found = asked.read()

    assert (found.state, found.why) == ("read", "")
    [ticket] = found.objects_seen
    assert (ticket["kind"], ticket["id"], ticket["found"]) == ("Ticket", "11003", True)
    assert ticket["name"].startswith("New starter needs an account on Monday")
    told = [(each["label"], each["now"], each["after"]) for each in ticket["effects"]]
    assert told == [("Status", 1, 9), ("Priority", 4, 1)]  # and not who it is assigned to, which stays
    assert changes(vendor) == []


def test_it_is_read_by_a_call_like_any_other_in_the_name_of_who_asked(connected, vendor) -> None:
    asked = Asked(connected)

    found = asked.read()

    with as_role("app"), connected.tenant.acting():
        call = ToolCall.objects.get(id=found.calls[0])
    assert (call.tool, call.arguments, call.state) == ("get_ticket", {"ticket_id": 11003}, "succeeded")
    assert (call.principal_id, call.approval_id, call.customer_id) == (
        asked.machine.id, None, connected.tenant.customers[0].id,
    )  # fmt: skip
    gates = [each["gate"] for each in call.verdicts]
    assert gates[:3] == ["authenticate_principal", "resolve_tenant", "resolve_customer"]
    assert gates[-4:] == ["check_approval", "dispatch", "execute", "return_result"]
    intended = [body for _, body in events_of(connected, EventKind.CALL_INTENDED)]
    assert [each["preview_of"] for each in intended] == [str(asked.request.pk)]
    assert len(events_of(connected, EventKind.CALL_FINISHED)) == 1
    assert len(events_of(connected, "connectors:credential:open")) == 1
    with as_role("worker"), connected.tenant.acting():
        assert list(UsageEvent.objects.values_list("tool", flat=True)) == ["get_ticket"]
    [(_, body)] = events_of(connected, EventKind.APPROVAL_PREVIEWED)
    assert (body["effects"], body["objects"]) == (found.digest, found.objects_seen)


def test_it_is_read_once_however_often_the_message_comes(connected, vendor) -> None:
    asked = Asked(connected)
    first = asked.read()
    vendor.reset()

    assert asked.read().read_at == first.read_at
    assert vendor.seen()["total"] == 0


def test_another_customers_ticket_is_one_that_is_not_there(connected, vendor) -> None:
    asked = Asked(connected, arguments=CHANGE | {"ticket_id": 12003})

    [ticket] = asked.read().objects_seen

    assert (ticket["id"], ticket["name"], ticket["found"], ticket["effects"]) == ("12003", "", False, [])


def without_reading(asked: Asked) -> None:
    with as_role("app"), asked.world.tenant.acting():
        ToolRule.objects.create(position=1, name="No looking", effect="refuse", tool="halopsa_get_ticket")


def with_people_for_reading(asked: Asked) -> None:
    with as_role("app"), asked.world.tenant.acting():
        ToolRule.objects.create(position=1, name="Ask", effect="approval", approvers=1, tool="halopsa_get_ticket")


def without_quota(asked: Asked) -> None:
    with as_role("app"), asked.world.tenant.acting():
        Entitlement.objects.update(included_calls=0, overage_allowed=False)


@pytest.mark.parametrize(
    ("change", "why"),
    [(without_reading, "No looking"), (with_people_for_reading, "needs the approval"), (without_quota, "used up")],
    ids=["refused", "approval", "quota"],
)
def test_what_its_caller_may_not_read_nobody_is_shown(connected, vendor, change, why) -> None:
    asked = Asked(connected)
    change(asked)
    vendor.reset()

    found = asked.read()

    assert (found.state, found.objects_seen, found.digest) == ("none", [], "")
    assert why in found.why
    assert vendor.seen()["total"] == 0


def test_that_the_vendor_does_not_answer_is_said(connected, vendor) -> None:
    asked = Asked(connected)
    vendor.behave("forbidden")

    found = asked.read()

    assert found.state in {"none", "read"}
    assert found.objects_seen == [] or found.objects_seen[0]["found"] is False


def test_nobody_votes_before_it_was_read_and_then_they_do(connected, vendor, waits_for_previews) -> None:
    asked = Asked(connected)

    with as_role("app"), pytest.raises(PreviewAwaited):
        approve(asked.person, asked.request)
    found = asked.read()

    with as_role("app"):
        assert approve(asked.person, asked.request)
    [(_, vote)] = events_of(connected, EventKind.APPROVAL_VOTED)
    [(_, quorum)] = events_of(connected, EventKind.APPROVAL_QUORUM)
    assert vote["effects"] == quorum["effects"] == found.digest != ""


def test_what_is_read_too_late_is_not_taken_any_more(connected, vendor, monkeypatch) -> None:
    asked = Asked(connected)
    with acting_for(Context(connected.tenant.id)):
        preview = begin(asked.request.pk)
        assert preview is not None
        monkeypatch.setattr("approvals.effects.services.SETTLE", timedelta(0))

        assert not settle(preview, [{"kind": "Ticket", "id": "1", "name": "", "found": True, "effects": []}], [])

    assert asked.preview().state == "none"
    told = asked.shown(asked.person)
    assert (told.state, told.why) == ("none", "It could not be read in time.")


def test_without_a_broker_people_can_vote_after_half_a_minute_and_are_told(connected, waits_for_previews) -> None:
    asked = Asked(connected)
    request = asked.now()
    assert is_waited_for(request, None)
    assert not is_waited_for(request, None, request.created_at + WAIT)
    request.created_at -= WAIT

    told = asked.shown(asked.person, request)
    assert (told.state, told.why) == ("none", "It could not be read in time.")


def test_what_is_as_it_was_shown_is_changed(connected, vendor) -> None:
    asked = Asked(connected)
    asked.read()
    with as_role("app"):
        approve(asked.person, asked.request)
    vendor.reset()

    assert asked.ran() == ("succeeded", "")
    assert len(changes(vendor)) == 1


def was(asked: Asked, **ticket: Any) -> None:
    """As if it had been so when it was read."""
    with as_role("broker"), asked.world.tenant.acting():
        preview = Preview.objects.get(request=asked.request)
        status = ticket.pop("status", None)
        preview.objects_seen[0] |= ticket
        if status is not None:
            preview.objects_seen[0]["effects"][0]["now"] = status
        preview.save(update_fields=["objects_seen"])


@pytest.mark.parametrize(
    ("before", "what"),
    [({"status": 2}, "status"), ({"name": "Another"}, "the ticket itself"), ({"found": False}, "the ticket itself")],
)
def test_an_object_that_has_changed_since_is_left_alone_and_that_is_said(connected, vendor, before, what) -> None:
    asked = Asked(connected)
    asked.read()
    was(asked, **before)
    with as_role("app"):
        approve(asked.person, asked.request)
    vendor.reset()

    assert asked.ran() == ("failed", "approval_void")

    assert changes(vendor) == []
    request = asked.now()
    assert (request.state, request.code) == (State.FAILED, "approval_void")
    assert f"Changed since: {what}." in request.because
    [(header, body)] = events_of(connected, EventKind.APPROVAL_VOIDED)
    assert (header["result"], what in body["because"]) == ("refused", True)


SEVERAL = {"tool": "update_tickets", "arguments": {"ticket_ids": [11003, 11004, 11005], "status_id": 9}}


def test_of_several_objects_the_exact_set_is_read_shown_and_done_once_each(connected, vendor) -> None:
    asked = Asked(connected, **SEVERAL)

    found = asked.read()

    assert [each["id"] for each in found.objects_seen] == ["11003", "11004", "11005"]
    assert all(each["name"] for each in found.objects_seen)
    assert len(found.calls) == 3
    asked.agree()
    vendor.reset()
    assert asked.ran() == ("succeeded", "")
    assert [each["body"][0]["id"] for each in changes(vendor)] == [11003, 11004, 11005]


def test_when_one_of_several_has_changed_meanwhile_none_is_touched(connected, vendor) -> None:
    asked = Asked(connected, **SEVERAL)
    asked.read()
    asked.agree()
    with as_role("app"):
        other = connected.call("update_ticket", {"ticket_id": 11004, "status_id": 3})
    with acting_for(Context(connected.tenant.id, (connected.tenant.customers[0].id,))):
        execute(Job(other, connected.instance, connected.mappings[0]))

    before = len(changes(vendor))
    assert asked.ran() == ("failed", "approval_void")

    assert len(changes(vendor)) == before
    assert "Changed since: status." in asked.now().because


def test_another_customers_object_among_several_is_said_and_stops_them_all(connected, vendor) -> None:
    given = {"tool": "update_tickets", "arguments": {"ticket_ids": [11003, 12003], "status_id": 9}}
    asked = Asked(connected, **given)
    assert [each["found"] for each in asked.read().objects_seen] == [True, False]
    asked.agree()
    vendor.reset()

    assert asked.ran()[0] == "failed"
    assert changes(vendor) == []


def test_only_the_broker_can_say_what_was_read(connected, vendor) -> None:
    asked = Asked(connected)
    asked.read()

    for role in ("app", "worker"):
        with as_role(role), pytest.raises(DatabaseError), connected.tenant.acting():
            Preview.objects.update(why="x")
        with as_role(role), pytest.raises(DatabaseError), connected.tenant.acting():
            Preview.objects.create(request=asked.request, customer_id=asked.request.customer_id)


def test_what_will_be_read_is_part_of_what_people_approve(connected) -> None:
    request = Asked(connected).request
    told = {"arguments": CHANGE, "external_id": "11", "tool_digest": request.tool_digest}
    assert digest_of(request, **told) == request.digest

    request.preview = request.preview | {"reads": [{"ticket_id": 11004}]}

    assert digest_of(request, **told) != request.digest


def test_it_is_shown_to_who_decides_or_may_read_and_to_nobody_else(connected, vendor) -> None:
    asked = Asked(connected)
    asked.read()
    customer = connected.tenant.customers[0]
    with as_role("app"):
        viewer = make_person(connected.tenant, Role.CUSTOMER_VIEWER, customer=customer, name="client")
    assert [asked.shown(each).state for each in (asked.person, viewer)] == ["read", "none"]
    assert asked.shown(viewer).why == UNSEEN


def test_every_tool_that_changes_an_object_that_can_be_read_says_how_to_look_at_it() -> None:
    without = {
        f"{connector.key}.{tool.name}"
        for connector in all_connectors() for tool in connector.tools
        if not tool.is_read and not tool.creates and tool.preview is None
    }  # fmt: skip
    assert without == {"ninjaone.reset_alert"}  # there is no alert by its id


@pytest.mark.parametrize(
    ("connector", "tool"),
    [(each, tool) for each in all_connectors() for tool in each.tools if tool.preview],
    ids=lambda each: getattr(each, "key", getattr(each, "name", "")),
)
def test_a_preview_names_fields_and_arguments_that_there_are(connector, tool) -> None:
    preview = tool.preview
    assert preview.read in connector.tools
    given = {field.name for field in preview.read.output.shape.fields}
    given |= {nested.name for nested in preview.read.output.shape.nested}
    told = [name for each in preview.effects for name in (each.field, each.named) if name]
    assert {preview.id, preview.name, *told} <= given
    taken = set(tool.input_schema["properties"])
    assert {each.argument for each in preview.effects if each.argument} | set(preview.by) <= taken
    assert set(preview.by.values()) == set(preview.read.input_schema["required"])
