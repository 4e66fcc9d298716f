"""The inbox and one request, in the portal and over the API: who sees what, and what a vote asks for."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from approvals.binding import words_of
from approvals.models import ApprovalRequest, Vote
from approvals.showing import arguments_of
from identity.models import Attempts
from identity.roles import Role
from identity.services.attempts import FREE
from tests.approvals.asking import approve
from tests.connectors.factories import connect
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_machine, make_member
from tests.portal.factories import make_request

State = ApprovalRequest.State
API = "/api/v1/approval-requests/"


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


@pytest.fixture
def alice(world) -> Person:
    return make_member(world, Role.ADMIN)


def now(request: ApprovalRequest, world: TenantWorld) -> ApprovalRequest:
    with world.acting():
        return ApprovalRequest.objects.get(id=request.pk)


def page(browser: Client, request: ApprovalRequest) -> str:
    return browser.get(reverse("portal:approval", args=[request.pk])).content.decode()


def test_the_page_shows_what_would_be_done_and_for_whom_but_no_secret(world, alice):
    request = make_request(
        world, reason="Printer is stuck", ticket="T-17",
        arguments={"ticket_id": 1, "password": "hunter2", "note": "x" * 4000, "nested": {"api_key": "k3y", "b": [1]}},
    )  # fmt: skip

    shown = page(alice.browser(), request)

    for said in (
        "Printer is stuck",
        "T-17",
        "triage-agent",
        world.customers[0].name,
        "4,000 characters",
        request.digest,
    ):
        assert said in shown
    assert all(f"<li>{word}</li>" in shown for word in words_of(request.digest).split())
    assert "hunter2" not in shown
    assert "k3y" not in shown


def test_what_looks_like_a_secret_is_masked_at_any_depth_and_nothing_else():
    shown = {each.name: each.value for each in arguments_of({"a": {"secret": "s", "list": [{"token": "t"}]}, "b": "c"})}

    assert '"s"' not in shown["a"]
    assert '"t"' not in shown["a"]
    assert shown["b"] == "c"


def test_a_code_approves_and_a_wrong_one_is_counted_and_said(world, alice):
    request, browser = make_request(world, approvers=1), alice.browser()
    url = reverse("portal:approval_approve", args=[request.pk])

    wrong = browser.post(url, {"code": "000000", "digest": request.digest})
    assert wrong.status_code == 422
    assert "not accepted" in wrong.content.decode()
    right = browser.post(url, {"code": alice.code(), "digest": request.digest})

    assert right.status_code == 302
    assert now(request, world).state == State.APPROVED


def test_a_form_that_was_made_for_another_digest_is_refused(world, alice):
    request = make_request(world, approvers=1)

    answer = alice.browser().post(
        reverse("portal:approval_approve", args=[request.pk]), {"code": alice.code(), "digest": "0" * 64}
    )

    assert answer.status_code == 422
    assert now(request, world).state == State.PENDING


def test_the_inbox_begins_with_what_waits_for_the_person_and_counts_it(world, alice):
    first, second = make_request(world), make_request(world, arguments={"ticket_id": 2})
    browser = alice.browser()

    assert '<span class="nav-count">2<' in browser.get(reverse("portal:dashboard")).content.decode()
    approve(alice, first)
    shown = browser.get(reverse("portal:approvals")).content.decode()

    assert str(second.pk) in shown
    assert str(first.pk) not in shown
    assert str(first.pk) in browser.get(reverse("portal:approvals"), {"show": "open"}).content.decode()
    assert str(first.pk) not in browser.get(reverse("portal:approvals"), {"show": "decided"}).content.decode()


def test_a_viewer_sees_and_is_offered_nothing(world):
    request = make_request(world)
    browser = make_member(world, Role.VIEWER, name="eve").browser()

    shown = page(browser, request)

    assert "approve/" not in shown
    assert "reject/" not in shown
    assert "withdraw/" not in shown


def test_a_rejection_with_a_reason_and_without(world, alice):
    request, browser = make_request(world), alice.browser()
    url = reverse("portal:approval_reject", args=[request.pk])

    assert browser.post(url, {"reason": " "}).status_code == 422
    assert browser.post(url, {"reason": "Not today"}).status_code == 302
    assert now(request, world).state == State.REJECTED
    assert "Not today" in page(browser, request)


def test_who_asked_is_offered_to_withdraw_and_not_to_vote(world, alice):
    request = make_request(world, principal_id=alice.id, principal_kind="user")
    browser = alice.browser()

    shown = page(browser, request)
    assert "withdraw/" in shown
    assert "approve/" not in shown
    vote = browser.post(
        reverse("portal:approval_approve", args=[request.pk]), {"code": alice.code(), "digest": request.digest}
    )
    assert vote.status_code == 422
    browser.post(reverse("portal:approval_withdraw", args=[request.pk]))
    assert now(request, world).state == State.WITHDRAWN


def test_a_vote_of_somebody_demoted_is_shown_as_not_counting(world, alice):
    from tests.approvals.asking import demote  # noqa: PLC0415

    request, bob = make_request(world), make_member(world, Role.OPERATOR, name="bob")
    approve(bob, request)
    assert "Missing: 1 person" in page(alice.browser(), request)
    demote(bob)

    shown = page(alice.browser(), request)
    assert "Does not count any more" in shown
    assert "Missing: 2 people" in shown


def test_comments_are_said_on_the_page_and_over_the_api(world, alice):
    request, browser = make_request(world), alice.browser()

    browser.post(reverse("portal:approval_comment", args=[request.pk]), {"text": "Which <b>host</b>?"})
    answer = browser.post(f"{API}{request.pk}/comment/", {"text": "The old one"}, content_type="application/json")

    assert answer.status_code == 201
    shown = page(browser, request)
    assert "Which &lt;b&gt;host&lt;/b&gt;?" in shown
    assert "The old one" in shown


def test_the_api_lists_shows_and_votes_as_the_portal_does(world, alice):
    request, browser = make_request(world, approvers=1, reason="Why not"), alice.browser()

    [row] = browser.get(API, {"show": "waiting"}).json()["results"]
    assert (row["id"], row["reason"], row["words"]) == (str(request.pk), "Why not", words_of(request.digest))
    assert browser.get(f"{API}{request.pk}/").json()["missing"] == {"people": 1, "factors": []}
    refused = browser.post(
        f"{API}{request.pk}/approve/", {"code": "000000", "digest": request.digest}, content_type="application/json"
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "vote_refused")

    voted = browser.post(
        f"{API}{request.pk}/approve/", {"code": alice.code(), "digest": request.digest}, content_type="application/json"
    )

    assert voted.status_code == 200
    assert voted.json()["state"] == "approved"
    assert voted.json()["votes"][0]["approver"] == str(alice.id)


def test_a_token_never_votes(world):
    request = make_request(world)
    robot = make_machine(world, Role.ADMIN).api()

    for what, body in (
        ("approve", {"code": "123456", "digest": request.digest}), ("reject", {"reason": "x"}),
        ("passkey/options", {}), ("passkey", {"state": "x", "answer": {}}),
    ):  # fmt: skip
        answer = robot.post(f"{API}{request.pk}/{what}/", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_decider"), what
    with world.acting():
        assert not Vote.objects.exists()


def test_wrong_tries_are_counted_with_those_of_signing_in(world, alice):
    request, browser = make_request(world), alice.browser()
    url = reverse("portal:approval_approve", args=[request.pk])
    for _ in range(6):
        browser.post(url, {"code": "000000", "digest": request.digest})
    with world.acting():  # the pause after so few is short, and a test may be slow
        assert Attempts.objects.filter(count__gte=FREE).update(count=20) == 1

    assert browser.post(url, {"code": alice.code(), "digest": request.digest}).status_code == 422
    with world.acting():
        assert not Vote.objects.exists()


def quorum(browser: Client, **given: Any) -> Any:
    body = {"tool": "halopsa_add_note", "arguments": {"ticket_id": 11003, "note": "x"}, "reason": "Ransomware"}
    return browser.post("/api/v1/emergency/quorum", body | given, content_type="application/json")


@pytest.mark.usefixtures("vendor")
def test_an_emergency_asks_first_for_at_least_as_many_as_the_policy_needs(vendor):
    world = connect(vendor).tenant
    browser = make_member(world, Role.ADMIN).browser()
    customer = world.customers[0].key

    made = quorum(browser, customer=customer, required_approvers=3, ticket="T-1")
    fewer = quorum(browser, customer=customer, required_approvers=1, arguments={"ticket_id": 11003, "note": "y"})

    assert made.status_code == 201, made.content
    assert (made.json()["need"], made.json()["ticket"], made.json()["state"]) == (3, "T-1", "pending")
    assert fewer.json()["need"] == 1
    assert quorum(browser, customer=customer, reason=" ").json()["fields"]["reason"]
    assert quorum(browser).json()["fields"]["customer"]
    assert quorum(browser, customer=customer, tool="halopsa_nothing").json()["fields"]["tool"]
    assert quorum(browser, customer=customer, arguments={"note": 1}).json()["fields"]["arguments"]
    needless = quorum(browser, customer=customer, tool="halopsa_list_tickets", arguments={"limit": 1})
    assert (needless.status_code, needless.json()["code"]) == (409, "approval_not_needed")


@pytest.mark.usefixtures("vendor")
def test_what_a_person_asked_for_in_the_portal_waits_for_others(vendor):
    world = connect(vendor).tenant
    alice = make_member(world, Role.ADMIN)
    form = {
        "tool": "halopsa_add_note", "customer": str(world.customers[0].pk), "reason": "Because",
        "arguments": '{"ticket_id": 11003, "note": "x"}',
    }  # fmt: skip

    answer = alice.browser().post(reverse("portal:approval_new"), form)

    assert answer.status_code == 302
    with world.acting():
        request = ApprovalRequest.objects.get()
        assert (request.requester_id, request.answerable_id, request.requester_kind) == (alice.id, alice.id, "user")
