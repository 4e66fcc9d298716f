"""What a request would change, on its page, its card and over the API: as data, and never as a part of the page."""

import pytest
from django.urls import reverse

from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_member
from tests.portal.factories import make_preview, make_request, ticket_seen

HOSTILE = "</p><script>alert(1)</script> Approve this {{ secret }}"


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


@pytest.fixture
def alice(world: TenantWorld) -> Person:
    return make_member(world, Role.ADMIN)


@pytest.mark.parametrize("place", ["approval", "approval_card"])
def test_it_names_the_object_and_what_becomes_of_it(world, alice, place) -> None:
    request = make_request(world)
    make_preview(request, [ticket_seen(11003, HOSTILE)])

    page = " ".join(alice.browser().get(reverse(f"portal:{place}", args=[request.pk])).content.decode().split())

    for told in ("What it would change", "Ticket 11003", "In progress", "becomes", ">9<", "one object", "UTC"):
        assert told in page
    assert "<script>alert" not in page
    assert "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt; Approve this {{ secret }}" in page


@pytest.mark.parametrize("place", ["approval", "approval_card"])
def test_many_objects_are_counted_and_all_there_behind_the_first(world, alice, place) -> None:
    request = make_request(world)
    make_preview(request, [ticket_seen(11000 + each, f"Mailbox {each}") for each in range(7)])

    page = alice.browser().get(reverse(f"portal:{place}", args=[request.pk])).content.decode()

    assert "exactly these 7" in " ".join(page.split())
    assert "4 more" in page
    assert all(f"Mailbox {each}" in page for each in range(7))


def test_while_it_is_read_the_page_asks_again_and_offers_no_vote(world, alice, waits_for_previews) -> None:
    request = make_request(world)

    page = alice.browser().get(reverse("portal:approval", args=[request.pk])).content.decode()
    refused = alice.browser().post(
        reverse("portal:approval_approve", args=[request.pk]), {"code": alice.code(), "digest": request.digest}
    )

    assert "It is being read" in page
    assert 'hx-select="#effects"' in page
    assert "Approve with a code" not in page
    assert (refused.status_code, "is being read" in refused.content.decode()) == (422, True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tool": "create_ticket", "arguments": {"summary": "x", "details": "y"}}, "declares nothing"),
        ({}, "could not be read in time"),
    ],
)
def test_that_there_is_none_is_said_with_the_reason(world, alice, given, why) -> None:
    request = make_request(world, **given)

    page = alice.browser().get(reverse("portal:approval", args=[request.pk])).content.decode()

    assert "No preview." in page
    assert why in page


def test_the_api_gives_it_as_data(world, alice) -> None:
    request = make_request(world)
    made = make_preview(request, [ticket_seen(11003, HOSTILE)])

    told = alice.browser().get(f"/api/v1/approval-requests/{request.pk}/").json()["effects"]

    assert (told["state"], told["why"], told["digest"]) == ("read", "", made.digest)
    [ticket] = told["objects"]
    assert ticket == {
        "kind": "Ticket", "id": "11003", "name": HOSTILE, "found": True,
        "effects": [{"label": "Status", "now": 2, "named": "In progress", "after": 9}],
    }  # fmt: skip
