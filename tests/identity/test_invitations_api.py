"""The REST twin of inviting."""

import json

import pytest

from identity.roles import Role
from tests.factories import make_tenant
from tests.identity.factories import make_person
from tests.identity.post import post, token_in

PATH = "/api/v1/invitations/"
GUEST = {"email": "Dave@X.example", "role": "viewer", "reason": "Audits us"}


def _post(browser, path, body=None):
    return browser.post(path, json.dumps(body or {}), content_type="application/json")


def test_an_invitations_life() -> None:
    acme = make_tenant()
    api = make_person(acme, Role.ADMIN).browser()

    made = _post(api, PATH, GUEST)
    path = f"{PATH}{made.json()['id']}/"
    (letter,) = post(acme)
    shown = api.get(path).json()
    again = _post(api, f"{path}resend/")
    ended = _post(api, f"{path}withdraw/")

    assert made.status_code == 201
    assert (shown["email"], shown["role"], shown["reason"]) == ("dave@x.example", "viewer", "Audits us")
    assert (shown["state"], shown["email_state"]) == ("pending", "sent")
    assert (again.status_code, again.json()["email_state"]) == (200, "queued")
    assert (ended.status_code, ended.json()["state"]) == (200, "withdrawn")
    assert _post(api, f"{path}withdraw/").status_code == 409
    assert token_in(letter) not in made.content.decode() + api.get(path).content.decode()
    assert "hash" not in api.get(path).content.decode()


def test_an_answer_does_not_depend_on_another_tenants_invitation() -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    foreign = _post(make_person(globex, Role.ADMIN).browser(), PATH, GUEST).json()["id"]
    api = make_person(acme, Role.ADMIN).browser()

    for action in ("", "resend/", "withdraw/"):
        ask = api.get if not action else api.post
        assert ask(f"{PATH}{foreign}/{action}").status_code == 404
    assert api.get(PATH).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"email": "x"}, "email"), ({"role": "king"}, "role"), ({"role": "customer_viewer"}, "customer")],
)
def test_wrong_input_names_its_field(body: dict[str, str], field: str) -> None:
    response = _post(make_person(make_tenant(), Role.ADMIN).browser(), PATH, GUEST | body)

    assert response.status_code == 400
    assert list(response.json()["fields"]) == [field]


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_for_any_length(count: int, django_assert_num_queries) -> None:
    api = make_person(make_tenant(), Role.ADMIN).browser()
    for number in range(count):
        _post(api, PATH, GUEST | {"email": f"p{number}@x.example"})

    with django_assert_num_queries(6):
        assert len(api.get(PATH).json()["results"]) == count
