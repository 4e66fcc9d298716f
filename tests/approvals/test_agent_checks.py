"""What the host agent refuses, each for its own reason; and that it acts when it may, and not a moment earlier."""

import base64
import hashlib
import json
import stat
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.agent import msplex_agent as agent
from approvals.agent.msplex_agent import Refused, Unreachable, verified
from tests.approvals.holding import Hands, Host

MSPLEX, OTHER, OWN = (Ed25519PrivateKey.generate() for _ in range(3))
KEYS = [agent.text_of(agent.raw_of(MSPLEX.public_key()))]
UUIDS = [f"0192f000-0000-7000-8000-00000000000{each}" for each in range(9)]
IDENTITY = {
    "agent": UUIDS[1], "agent_key": agent.kid_of(agent.raw_of(OWN.public_key())), "asset": UUIDS[2], "asset_name": "S",
    "client_id": "mspx_h_1", "customer": UUIDS[3], "issuer": "https://msplex.example", "keys": KEYS, "tenant": UUIDS[4],
}  # fmt: skip
DAY = 86400
NOW = 1_800_000_000


def claims(**changed: Any) -> dict[str, Any]:
    said = {
        "agent": UUIDS[1], "agent_key": IDENTITY["agent_key"], "arguments": '{"note":"x","ticket_id":7}',
        "asset": UUIDS[2], "condition": {"critical_alert": False, "heartbeat_lost_minutes": 5}, "connection": UUIDS[5],
        "customer": UUIDS[3], "digest": "0" * 64, "exp": NOW + DAY, "iat": NOW, "iss": IDENTITY["issuer"],
        "jti": UUIDS[6], "nbf": NOW - 1, "nonce": "0" * 32, "request": UUIDS[7], "tenant": UUIDS[4],
        "tool": "halopsa_add_note", "uses": 1, "v": 1,
    } | {name: value for name, value in changed.items() if value is not None}  # fmt: skip
    named = {"ctx": agent.BINDING, **{name: said[name] for name in agent.BOUND}}
    return {"bound": hashlib.sha256(agent.canonical(named)).hexdigest()} | said


def token(key: Ed25519PrivateKey = MSPLEX, typ: str = agent.GRANT, **changed: Any) -> str:
    return agent.signed(key, typ, claims(**changed))


def without(name: str) -> str:
    return agent.signed(MSPLEX, agent.GRANT, {key: value for key, value in claims().items() if key != name})


def doubled() -> str:
    header, payload, _ = token().split(".")
    twice = base64.urlsafe_b64decode(payload + "==").replace(b'"uses":1', b'"uses":1,"uses":9')
    said = f"{header}.{agent.text_of(twice)}"
    return f"{said}.{agent.text_of(MSPLEX.sign(said.encode()))}"


def with_header(**header: Any) -> str:
    _, payload, _ = token().split(".")
    kid = agent.kid_of(agent.raw_of(MSPLEX.public_key()))
    said = f"{agent.text_of(agent.canonical({'alg': 'EdDSA', 'kid': kid, 'typ': agent.GRANT} | header))}.{payload}"
    return f"{said}.{agent.text_of(MSPLEX.sign(said.encode()))}"


REFUSALS: dict[str, tuple[str, Callable[[], str]]] = {
    "nothing": ("malformed", lambda: ""),
    "two parts": ("malformed", lambda: "a.b"),
    "no base64": ("malformed", lambda: "é.b.c"),
    "too long": ("malformed", lambda: f"{'a' * 70_000}.b.c"),
    "a name twice": ("malformed", doubled),
    "another key": ("unknown_key", lambda: token(OTHER)),
    "its own key": ("unknown_key", lambda: token(OWN)),
    "another word of the broker": ("algorithm", lambda: token(typ=agent.USE)),
    "no algorithm": ("algorithm", lambda: with_header(alg="none")),
    "HMAC": ("algorithm", lambda: with_header(alg="HS256")),
    "a key in the header": ("malformed", lambda: with_header(jwk={"x": "y"})),
    "a signature of something else": (
        "signature",
        lambda: token().rpartition(".")[0] + "." + token(uses=2).rpartition(".")[2],
    ),
    "another tenant": ("not_for_us", lambda: token(tenant=UUIDS[8])),
    "another customer": ("not_for_us", lambda: token(customer=UUIDS[8])),
    "another asset": ("not_for_us", lambda: token(asset=UUIDS[8])),
    "another agent": ("not_for_us", lambda: token(agent=UUIDS[8])),
    "another agent's key": ("not_for_us", lambda: token(agent_key="x" * 43)),
    "another deployment": ("not_for_us", lambda: token(iss="https://evil.example")),
    "a digest of something else": ("digest", lambda: token(bound="0" * 64)),
    "no window": ("malformed", lambda: token(nbf=NOW, exp=NOW)),
    "no use": ("malformed", lambda: token(uses=0)),
    "too many uses": ("malformed", lambda: token(uses=11)),
    "uses that are no number": ("malformed", lambda: token(uses="1")),
    "uses that are true": ("malformed", lambda: token(uses=True)),
    "no condition": ("malformed", lambda: token(condition={"critical_alert": False, "heartbeat_lost_minutes": 0})),
    "another condition": ("malformed", lambda: token(condition={"critical_alert": 1, "heartbeat_lost_minutes": 5})),
    "arguments that are no object": ("malformed", lambda: token(arguments="[]")),
    "arguments that are no JSON": ("malformed", lambda: token(arguments="{")),
    "another version": ("malformed", lambda: token(v=2)),
    "more claims": ("malformed", lambda: token(also="this")),
    "an id that is a path": ("malformed", lambda: token(jti="../../etc/passwd")),
    **{f"no {name}": ("malformed", lambda name=name: without(name)) for name in sorted(claims())},
}


@pytest.mark.parametrize("what", REFUSALS)
def test_each_grant_that_is_not_right_is_refused_for_its_own_reason(what: str) -> None:
    code, made = REFUSALS[what]

    with pytest.raises(Refused) as refused:
        verified(made(), IDENTITY)

    assert refused.value.code == code
    assert str(refused.value).endswith(".")


def test_the_right_one_is_taken() -> None:
    assert verified(token(), IDENTITY).steps[0].arguments == {"note": "x", "ticket_id": 7}


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_single_bit_can_be_changed(place: int, bit: int) -> None:
    good = token()
    at = place % len(good)
    changed = good[:at] + chr(ord(good[at]) ^ (1 << bit)) + good[at + 1 :]

    with pytest.raises(Refused):
        verified(changed, IDENTITY)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(agent.BOUND), value=st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.none())
)
def test_no_bound_claim_can_be_changed_even_by_who_has_the_key(name: str, value: Any) -> None:
    """Signed anew, with the digest of before: what it says is not what was approved."""
    said = claims()
    if said[name] == value:
        return
    with pytest.raises(Refused):
        verified(agent.signed(MSPLEX, agent.GRANT, said | {name: value}), IDENTITY)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(
    lambda parts: ".".join(agent.text_of(each) for each in parts)
)))  # fmt: skip
def test_whatever_is_given_it_is_refused_and_never_fails(text: str) -> None:
    with pytest.raises(Refused):
        verified(text, IDENTITY)


# When it acts


class Cut:
    """A channel that answers what it is told to; None: nothing comes back."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.said: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        assert headers["Signature-Input"].startswith('held=("@method" "@target-uri" "content-digest")')
        self.asked.append((path, json.loads(body)))
        if self.status is None:
            raise Unreachable("gone")
        return self.status, self.said


class Standing:
    """An agent with its grants, in this process; time goes by when it is told to."""

    def __init__(self, host: Host, *tokens: str) -> None:
        self.host, self.clock, self.cut = host, Hands(), Cut()
        self.agent = host.agent(self.clock)
        self.agent.channel = self.cut  # type: ignore[assignment]
        pem = OWN.private_bytes(agent.forms.Encoding.PEM, agent.forms.PrivateFormat.PKCS8, agent.forms.NoEncryption())
        self.agent.memory.write("key.json", {"pem": pem.decode()})
        self.agent.memory.write("identity.json", IDENTITY)
        self.tokens = tokens
        self.agent.start()
        self.look()

    def answer(self, **said: Any) -> None:
        given = [{"id": UUIDS[6], "token": each} for each in self.tokens]
        self.cut.said = {"now": int(self.clock.wall()), "grants": given, "revoked": []} | said

    def look(self, after: float = 0.0, **said: Any) -> int:
        """How often it has acted, once it has looked again."""
        self.clock.away += after
        self.answer(**said)
        self.agent.tick()
        return self.host.fired()

    def gone(self) -> None:
        self.cut.status = None

    def back(self) -> None:
        self.cut.status = 200


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path, "https://msplex.example")


def live(clock: Hands | None = None, **changed: Any) -> str:
    now = int((clock or Hands()).wall())
    return token(**{"nbf": now - 5, "exp": now + DAY, "iat": now} | changed)


def test_it_fires_after_five_minutes_without_contact_and_not_at_five(host) -> None:
    it = Standing(host, live())
    it.gone()

    assert it.look(300 - 1) == 0
    assert it.look(0.5) == 0
    assert it.look(1.5) == 1
    assert it.look(3600) == 1
    assert host.effect.read_text() == "--ticket=7 --note=x\n"


def test_contact_of_any_kind_begins_the_minutes_anew(host) -> None:
    it = Standing(host, live())
    it.gone()
    assert it.look(290) == 0
    it.back()
    assert it.look(5) == 0
    it.gone()

    assert it.look(290) == 0
    assert it.look(11) == 1


def test_an_alert_alone_is_enough_where_the_grant_says_so(host) -> None:
    it = Standing(host, live(condition={"critical_alert": True, "heartbeat_lost_minutes": 0}))
    assert it.look(3600) == 0
    host.alert.touch()

    assert it.look() == 1


def test_an_alert_is_nothing_to_a_grant_that_does_not_name_it(host) -> None:
    it = Standing(host, live())
    host.alert.touch()

    assert it.look() == 0


def test_each_use_takes_another_time_that_the_condition_becomes_true(host) -> None:
    it = Standing(host, live(uses=2))
    it.gone()
    assert [it.look(301), it.look(301), it.look(301)] == [1, 1, 1]
    it.back()
    it.look()
    it.gone()

    assert [it.look(301), it.look(301)] == [2, 2]
    it.back()
    it.look()
    it.gone()
    assert it.look(301) == 2


def test_of_two_that_look_at_the_same_moment_one_has_the_use(host, monkeypatch) -> None:
    it = Standing(host, live())
    it.gone()
    assert it.look(301) == 1
    monkeypatch.setattr(it.agent, "_uses", lambda _: [])  # as it was before the other one claimed it

    assert it.look(1) == 1


@pytest.mark.parametrize("window", [{"nbf": 7200}, {"exp": 200}])
def test_outside_of_its_window_nothing_happens(host, window) -> None:
    it = Standing(host, live(**{name: int(Hands().wall()) + value for name, value in window.items()}))
    it.gone()

    assert it.look(400) == 0


def test_a_revoked_grant_is_not_used_and_stays_so_without_contact(host) -> None:
    it = Standing(host, live())
    it.look(revoked=[UUIDS[6]])
    it.gone()

    assert it.look(400) == 0
    it.back()
    it.look(grants=[])
    assert it.cut.asked[-1][1]["revoked"] == [UUIDS[6]]


@pytest.mark.parametrize("apart", [61, -61])
def test_a_clock_that_is_apart_from_msplexs_acts_on_nothing(host, apart) -> None:
    it = Standing(host, live())
    it.look(now=int(it.clock.wall()) + apart)
    it.gone()

    assert it.look(400) == 0
    it.back()
    it.look()
    it.gone()
    assert it.look(400) == 1


def test_a_clock_that_goes_back_is_noticed_until_it_has_caught_up(host) -> None:
    it = Standing(host, live())
    it.gone()
    it.look(290)
    it.clock.away -= 30
    it.clock.apart -= 30  # the steady one goes on

    assert "clock_back" in it.agent._clock_trouble()
    assert it.look(20) == 0
    assert it.look(30) == 1


def test_a_clock_that_is_set_forward_opens_no_window(host) -> None:
    it = Standing(host, live(nbf=int(Hands().wall()) + 7200))
    it.gone()
    it.look(400)
    it.clock.away += 7200
    it.clock.apart += 7200

    assert it.look() == 0
    assert "clock_jumped" in it.agent._clock_trouble()


@pytest.mark.parametrize("status", [401, 403])
def test_an_agent_that_msplex_does_not_believe_does_nothing_until_it_does_again(host, status) -> None:
    it = Standing(host, live())
    it.cut.status = status
    it.look()
    it.gone()

    assert it.look(400) == 0
    it.back()
    it.look()
    it.gone()
    assert it.look(400) == 1


ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing configured": ("no_action", {"actions": {}}),
    "an argument without a place": ("arguments", {"actions": {"halopsa_add_note": {"argv": ["/bin/true", "{note}"]}}}),
    "a place without an argument": (
        "arguments", {"actions": {"halopsa_add_note": {"argv": ["/bin/true", "{note}", "{ticket_id}", "{also}"]}}},
    ),
    "a command without a path": (
        "arguments", {"actions": {"halopsa_add_note": {"argv": ["true", "{note}", "{ticket_id}"]}}},
    ),
    "an argument as the command": (
        "arguments", {"actions": {"halopsa_add_note": {"argv": ["/{note}", "{ticket_id}"]}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ACTIONS)
def test_a_command_that_is_not_exactly_for_the_grant_is_not_run_and_people_are_told(host, what) -> None:
    code, more = ACTIONS[what]
    host.writes("", **more)
    it = Standing(host, live())
    it.gone()
    assert it.look(400) == 0
    it.back()
    it.look()

    assert it.cut.asked[-1][1]["refused"][UUIDS[6]].startswith(f"{code}: ")


@pytest.mark.parametrize("value", ['"-rf"', '["x"]', "null", '{"a":1}', '"a\\u0000b"'])
def test_an_argument_that_is_no_plain_word_is_not_passed_on(host, value) -> None:
    host.writes("", actions={"halopsa_add_note": {"argv": ["/bin/true", "{note}", "{ticket_id}"]}})
    it = Standing(host, live(arguments=f'{{"note":{value},"ticket_id":7}}'))

    assert next(it.agent._refusals())[1].startswith("arguments: ")


def test_no_shell_ever_sees_an_argument(host) -> None:
    it = Standing(host, live(arguments=json.dumps({"note": "$(touch /tmp/x); `id` > y", "ticket_id": 7})))
    it.gone()

    assert it.look(400) == 1
    assert host.effect.read_text() == "--ticket=7 --note=$(touch /tmp/x); `id` > y\n"


def test_what_it_keeps_is_closed_to_others(host) -> None:
    it = Standing(host, live())
    it.gone()
    it.look(400)

    found = list((host.folder / "state").rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o700}


@pytest.mark.parametrize("portal", ["http://msplex.example", "ftp://127.0.0.1", "msplex.example"])
def test_only_a_portal_behind_tls_is_spoken_to(tmp_path, portal) -> None:
    with pytest.raises(Refused) as refused:
        Host(tmp_path, portal).agent()

    assert refused.value.code == "config"
