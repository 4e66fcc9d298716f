"""What holds of every tenant, role, policy and clock there can be: lists, calls and explanations say the same."""

import dataclasses
from datetime import time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.policy import Comparison, Condition, Effect, Rule, Window
from connectors.contract import Risk, Tier
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import ROLES, Role
from msplex.decision.decide import decide, listed, why_nothing
from msplex.decision.explain import Question, explain
from msplex.decision.gates import LISTING
from msplex.decision.snapshot import Snapshot
from msplex.decision.verdicts import WHOLE_DOOR, Code, Gate, Request, Usage
from tests.decision.test_decide import CUSTOMERS, INSTANCES, NOW, TENANT, make_snapshot

# Arguments of each tool that a condition below tells apart: the `note` tests.
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "list_tickets": [{}, {"limit": 5}, {"limit": 50}],
    "get_ticket": [{"ticket_id": 1}],
    "list_actions": [{"ticket_id": 1}, {"ticket_id": 1, "private": True}],
    "list_assets": [{}, {"limit": 5}, {"limit": 50}],
    "get_asset": [{"asset_id": 1}],
    "list_users": [{}, {"limit": 5}, {"limit": 50}],
    "list_contracts": [{}, {"limit": 5}, {"limit": 50}],
    "create_ticket": [{"summary": "s", "details": "d"}],
    "update_ticket": [{"ticket_id": 1, "status_id": 1}],
    "update_tickets": [{"ticket_ids": [1], "status_id": 1}],
    "add_note": [{"ticket_id": 1, "note": "n"}],
}


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Else nearly every example would be refused at the first gates, and prove nothing of the last."""
    return st.sampled_from([usual] * 20 + list(others))


conditions = st.sampled_from([
    (), (), (),
    (Condition("limit", Comparison.PRESENT),),
    (Condition("ticket_id", Comparison.PRESENT),),
    (Condition("ticket_id", Comparison.ABSENT),),
    (Condition("limit", Comparison.MORE_THAN, 10),),
    (Condition("private", Comparison.IS, True),),
])  # fmt: skip
windows = st.sampled_from([
    None, None, Window(frozenset({NOW.weekday()})), Window(frozenset({(NOW.weekday() + 1) % 7})),
    Window(frozenset(), time(11), time(13)), Window(frozenset(), time(18), time(8), "Europe/London"),
])  # fmt: skip
rules = st.builds(
    lambda effect, **terms: Rule(uuid4(), 1, "rule", effect, int(effect == Effect.APPROVAL), **terms),
    st.sampled_from([Effect.REFUSE, *Effect]),
    risk=st.sampled_from(["", *Risk, "write"]),
    tier=mostly("", *Tier),
    connector=mostly("", "halopsa", "hudu"),
    tool=st.sampled_from(["", "", "halopsa_list_tickets", "halopsa_add_note", "halopsa1_get_ticket"]),
    role=mostly("", *Role),
    caller=mostly("", "agent", "service_account"),
    customer_id=mostly(None, *[*CUSTOMERS] * 3),
    conditions=conditions,
    window=windows,
)
bindable = [role for role in Role if not ROLES[role].customer_scoped]
grants = st.builds(Grant, mostly(Role.OPERATOR, *bindable), st.sampled_from([None, *CUSTOMERS]))
principals = st.builds(
    lambda held, agent: ActingPrincipal(
        UUID(int=9), PrincipalKind.AGENT_SESSION if agent else PrincipalKind.SERVICE_ACCOUNT, "agent", TENANT, 1,
        tuple(held), agent_session_id=UUID(int=10) if agent else None,
    ),
    st.lists(grants, min_size=1, max_size=4),
    st.booleans(),
)  # fmt: skip
pairs = st.frozensets(st.tuples(st.sampled_from(INSTANCES), st.sampled_from(CUSTOMERS)))


def hampered(paused: bool, suspended: bool, **terms: Any) -> Snapshot:
    made = make_snapshot(**terms)
    return dataclasses.replace(
        made,
        paused=frozenset(INSTANCES) if paused else frozenset(),
        suspended=frozenset((instance, "list_tickets") for instance in INSTANCES) if suspended else frozenset(),
    )


snapshots = st.builds(
    hampered,
    paused=mostly(False, True),
    suspended=mostly(False, True),
    tenant=mostly("active", "suspended"),
    subscription=mostly("active", "trialing", "cancelled", None),
    entitled=mostly(True, False),
    state=mostly("active", "draft", "inactive"),
    ok_at=mostly(NOW, NOW - timedelta(days=1), None),
    mapped=st.one_of(st.none(), st.none(), pairs),
    archived=st.frozensets(st.sampled_from(CUSTOMERS), max_size=2),
    instances=mostly(1, 0, 2),
    rules=st.lists(rules, min_size=1, max_size=5).map(tuple),
)
EXAMPLES = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ways_to_call(snapshot: Snapshot, principal: ActingPrincipal, name: str):
    for customer in CUSTOMERS:
        for arguments in ARGUMENTS[snapshot.tools[name].tool.name]:
            yield decide(snapshot, principal, Request(name, arguments, str(customer)), now=NOW)


def test_listed_is_callable_and_callable_is_listed():
    """On the list if, and only if, some call of it, for some customer, passes the same gates."""
    seen = {"shown": 0, "hidden": 0, "some shown": 0}

    @EXAMPLES
    @given(snapshots, principals)
    def holds(snapshot: Snapshot, principal: ActingPrincipal) -> None:
        shown = {tool.name for tool in listed(snapshot, principal, now=NOW)}
        for name in snapshot.tools:
            passing = any(
                len(d.verdicts) >= LISTING and d.verdicts[LISTING - 1].ok
                for d in ways_to_call(snapshot, principal, name)
            )
            assert (name in shown) == passing
            seen["shown" if passing else "hidden"] += 1
        seen["some shown"] += 0 < len(shown) < len(snapshot.tools)

    holds()
    assert min(seen.values()) > 20, seen  # or the examples have proven nothing


def test_whoever_may_not_know_a_tool_cannot_tell_it_from_none():
    """Same gate, code and words for a tool that is there and hidden as for a name that was made up."""
    seen = {"hidden": 0, "open": 0}

    @EXAMPLES
    @given(snapshots, principals)
    def holds(snapshot: Snapshot, principal: ActingPrincipal) -> None:
        for name in snapshot.tools:
            for customer in CUSTOMERS:
                there = decide(snapshot, principal, Request(name, {}, str(customer)), now=NOW)
                none = decide(snapshot, principal, Request("made_up", {}, str(customer)), now=NOW)
                assert there.refusal or not there.hidden
                hidden = there.hidden or there.verdicts == none.verdicts
                can = any(each.permissions & TOOL_PERMISSIONS for each in principal.grants)
                assert hidden or can, "somebody without any right to tools was told of one"
                seen["hidden" if hidden else "open"] += 1

    holds()
    assert min(seen.values()) > 20, seen


def test_the_changes_of_an_explanation_are_enough_and_none_is_too_many():
    seen = {"none needed": 0, "one": 0, "several": 0}

    @EXAMPLES
    @given(
        snapshots, principals, st.sampled_from(sorted(ARGUMENTS)), st.sampled_from([None, *CUSTOMERS]),
        mostly(Usage(), Usage(used=1000), Usage(waits=(3,)), Usage(waits=(0, 3))),
    )  # fmt: skip
    def holds(snapshot, principal, tool, customer, usage):
        request = Request(f"halopsa_{tool}", ARGUMENTS[tool][-1], str(customer) if customer else None)
        question = Question(snapshot, principal, request, NOW, usage)
        said = explain(question)

        assert [verdict.gate for verdict in said.decision.verdicts] == [
            verdict.gate for verdict in said.verdicts[: len(said.decision.verdicts)]
        ]
        if not said.complete:
            assert said.changes[-1].made is None
            return
        assert passes(made(question, said.changes))
        for left_out in said.changes:
            assert not passes(made(question, [each for each in said.changes if each is not left_out]))
        seen["none needed" if not said.changes else "one" if len(said.changes) == 1 else "several"] += 1

    holds()
    assert min(seen.values()) > 20, seen


def made(question: Question, changes) -> Question:
    for change in changes:
        question = change.made(question)
    return question


def passes(question: Question) -> bool:
    refusal = question.asked().refusal
    return refusal is None or refusal.code == Code.APPROVAL_REQUIRED


TOOL_PERMISSIONS = {permission for permission in ROLES[Role.OWNER].permissions if permission.startswith("gateway:tool")}


def test_a_rule_that_is_over_soon_is_waited_for():
    night = Rule(uuid4(), 1, "No changes at night", Effect.REFUSE, window=Window(frozenset(), time(11), time(13)))
    owner = ActingPrincipal(
        UUID(int=9), PrincipalKind.SERVICE_ACCOUNT, "agent", TENANT, 1, (Grant(Role.OPERATOR, CUSTOMERS[0]),)
    )
    said = explain(Question(make_snapshot(rules=(night,)), owner, Request("halopsa_list_tickets", {}), NOW))

    assert [change.text for change in said.changes] == [
        "Wait until Fri 20 Nov 13:00 (UTC), when the rule “No changes at night” is over, or change that rule."
    ]
    assert said.complete


@EXAMPLES
@given(snapshots, principals)
def test_an_empty_list_always_has_a_reason(snapshot: Snapshot, principal: ActingPrincipal):
    if not listed(snapshot, principal, now=NOW):
        gate, refusal = why_nothing(snapshot, principal, now=NOW)
        assert gate in set(Gate)
        assert refusal.message
        assert refusal.code in WHOLE_DOOR or refusal.code != Code.UNKNOWN_TOOL


EVERYWHERE = ActingPrincipal(UUID(int=9), PrincipalKind.SERVICE_ACCOUNT, "a", TENANT, 1, (Grant(Role.OPERATOR),))
FIRST = Rule(uuid4(), 1, "first", Effect.REFUSE, customer_id=CUSTOMERS[0])
LAST = Rule(uuid4(), 1, "last", Effect.ALLOW, customer_id=CUSTOMERS[-1])
NOBODY = Rule(uuid4(), 2, "nobody", Effect.REFUSE)
NO_VIEWERS = Rule(uuid4(), 1, "no viewers", Effect.REFUSE, role="viewer")
VIEWERS = Rule(uuid4(), 1, "viewers", Effect.ALLOW, role="viewer")


@pytest.mark.parametrize(
    ("rules", "held", "shown"),
    [
        ((FIRST,), EVERYWHERE.grants, True),
        ((LAST, NOBODY), EVERYWHERE.grants, True),
        ((NOBODY,), EVERYWHERE.grants, False),
        # A role for one customer makes that customer different from the others.
        ((VIEWERS, NOBODY), (*EVERYWHERE.grants, Grant(Role.VIEWER, CUSTOMERS[2])), True),
        (
            (Rule(uuid4(), 1, "x", Effect.REFUSE, role="viewer"),),
            (*EVERYWHERE.grants, Grant(Role.VIEWER, CUSTOMERS[0])),
            True,
        ),
    ],
)
def test_customers_that_a_rule_or_a_role_names_are_looked_at_by_themselves(rules, held, shown):
    principal = dataclasses.replace(EVERYWHERE, grants=held)

    assert bool(listed(make_snapshot(rules=rules), principal, now=NOW)) is shown


def test_what_a_later_change_makes_superfluous_is_left_out():
    """At the time for which the last rule has to be waited, the first one lets the call run."""
    later = Rule(uuid4(), 1, "afternoons", Effect.ALLOW, window=Window(frozenset(), time(13), time(18)))
    never = Rule(uuid4(), 2, "never", Effect.REFUSE)
    noon = Rule(uuid4(), 3, "noon", Effect.REFUSE, window=Window(frozenset(), time(11), time(13)))
    request = Request("halopsa_list_tickets", {}, str(CUSTOMERS[0]))

    said = explain(Question(make_snapshot(rules=(later, never, noon)), EVERYWHERE, request, NOW))

    assert [change.text.partition(",")[0] for change in said.changes] == ["Wait until Fri 20 Nov 13:00 (UTC)"]
