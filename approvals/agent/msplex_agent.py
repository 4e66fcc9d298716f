#!/usr/bin/env python3
"""Holds grants that MSPlex has issued in advance, and acts on them once, also while MSPlex is out of reach.

    python3 msplex_agent.py --config agent.json enrol < code
    python3 msplex_agent.py --config agent.json run
    python3 msplex_agent.py --config agent.json show

One file: Python 3.11 or newer and the package `cryptography`. It opens no port, runs no shell, and knows only the
actions of its own configuration. docs/grants.md has the formats and what it promises.
"""

import argparse
import base64
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GRANT, USE, BINDING, BINDING_STEPS = "msplex-grant+jwt", "msplex-use+jwt", "msplex/held/v1", "msplex/held/v2"
BOUND = (
    "agent", "agent_key", "arguments", "asset", "condition", "connection", "customer", "exp", "nbf", "nonce", "tenant",
    "tool", "uses",
)  # fmt: skip
TEXTS = (
    "agent", "agent_key", "arguments", "asset", "bound", "connection", "customer", "digest", "iss", "jti", "nonce",
    "request", "tenant", "tool",
)  # fmt: skip
OF_STEPS = ("on_failure", "steps")  # of a grant of version 2
NUMBERS = ("exp", "iat", "nbf", "uses", "v")
SKEW = 60  # seconds that its clock may be apart from MSPlex's, or from its own steady one
BACK = 2  # seconds that its clock may go back
MOST_TOKEN, MOST_ANSWER, MOST_OUTPUT, MOST_USES, MOST_STEPS = 64 * 1024, 16 << 20, 64 * 1024, 10, 10
PLACE = re.compile(r"\{([A-Za-z0-9_]+)\}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Refused(Exception):
    """It will not do that. `code` is for machines, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Clock:
    """Wall time, and time that only goes on: it counts while the machine sleeps, too."""

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


# Words and signatures


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if text_of(data) != text:
        raise ValueError("not base64url")
    return data


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def raw_of(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)


def kid_of(raw: bytes) -> str:
    return text_of(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{text_of(raw)}"}}'.encode()).digest())


def signed(key: Ed25519PrivateKey, typ: str, claims: Mapping[str, Any]) -> str:
    header = {"alg": "EdDSA", "kid": kid_of(raw_of(key.public_key())), "typ": typ}
    said = f"{text_of(canonical(header))}.{text_of(canonical(claims))}"
    return f"{said}.{text_of(key.sign(said.encode()))}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _json(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_once)


@dataclass(frozen=True)
class Step:
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Grant:
    """One that was verified for this agent. `steps`: all, in their order; most grants have one."""

    id: str
    claims: Mapping[str, Any]
    steps: tuple[Step, ...]

    @property
    def tool(self) -> str:
        return str(self.claims["tool"])

    @property
    def stops(self) -> bool:
        """At the first step that does not succeed."""
        return str(self.claims.get("on_failure", "stop")) == "stop"

    @property
    def minutes(self) -> int:
        return int(self.claims["condition"]["heartbeat_lost_minutes"])

    @property
    def on_alert(self) -> bool:
        return bool(self.claims["condition"]["critical_alert"])


def verified(token: str, identity: Mapping[str, Any]) -> Grant:
    """Refused, unless a pinned key has signed it, in the one form there is, for this agent at this asset."""
    claims = _opened(token, identity["keys"])
    _check_form(claims)
    for name in ("tenant", "customer", "asset", "agent", "agent_key"):
        if claims[name] != identity[name]:
            raise Refused("not_for_us", f"The grant is for another {name.replace('_', ' ')}.")
    if claims["iss"] != identity["issuer"]:
        raise Refused("not_for_us", "The grant comes from another deployment.")
    several = claims["v"] == 2  # noqa: PLR2004 - with steps
    names = (*BOUND, *OF_STEPS) if several else BOUND
    named = {"ctx": BINDING_STEPS if several else BINDING, **{name: claims[name] for name in names}}
    if hashlib.sha256(canonical(named)).hexdigest() != claims["bound"]:
        raise Refused("digest", "The grant's digest is not that of what it says.")
    steps = claims["steps"] if several else [claims]
    return Grant(claims["jti"], claims, tuple(Step(each["tool"], _arguments(each["arguments"])) for each in steps))


def _opened(token: str, pinned: Sequence[str]) -> dict[str, Any]:
    parts = token.split(".")
    try:
        if len(token) > MOST_TOKEN or len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
            raise ValueError("parts")
        header, claims = _json(bytes_of(parts[0])), _json(bytes_of(parts[1]))
        signature = bytes_of(parts[2])
    except (ValueError, RecursionError):
        raise Refused("malformed", "The grant is not three parts of base64url with JSON in the first two.") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or set(header) != {"alg", "kid", "typ"}:
        raise Refused("malformed", "The grant's header is not of the form that is taken.")
    if (header["alg"], header["typ"]) != ("EdDSA", GRANT):
        raise Refused("algorithm", f"Only EdDSA and {GRANT} are taken.")
    _check_signature(header["kid"], signature, f"{parts[0]}.{parts[1]}".encode(), pinned)
    return claims


def _check_signature(kid: object, signature: bytes, said: bytes, pinned: Sequence[str]) -> None:
    known = {kid_of(bytes_of(each)): bytes_of(each) for each in pinned}
    if not isinstance(kid, str) or kid not in known:
        raise Refused("unknown_key", "The grant is signed by a key that is not pinned here. Enrol anew if it changed.")
    try:
        Ed25519PublicKey.from_public_bytes(known[kid]).verify(signature, said)
    except InvalidSignature:
        raise Refused("signature", "The grant's signature does not hold.") from None


def _check_form(claims: Mapping[str, Any]) -> None:
    condition = claims.get("condition")
    several = claims.get("v") == 2  # noqa: PLR2004 - with steps
    right = (
        set(claims) == {*TEXTS, *NUMBERS, "condition", *(OF_STEPS if several else ())}
        and all(isinstance(claims[name], str) for name in TEXTS)
        and all(type(claims[name]) is int for name in NUMBERS)
        and isinstance(condition, dict)
        and set(condition) == {"critical_alert", "heartbeat_lost_minutes"}
        and type(condition["critical_alert"]) is bool
        and type(condition["heartbeat_lost_minutes"]) is int
        and UUID.fullmatch(claims["jti"])
    )
    if not right or not isinstance(condition, dict) or claims["v"] not in {1, 2}:
        raise Refused("malformed", "The grant is not of version 1 or 2, or has other claims than those.")
    if several:
        _check_steps(claims)
    if not condition["critical_alert"] and condition["heartbeat_lost_minutes"] <= 0:
        raise Refused("malformed", "The grant has no condition.")
    if claims["nbf"] >= claims["exp"] or not 1 <= claims["uses"] <= MOST_USES:
        raise Refused("malformed", "The grant has no window, or no number of uses.")


def _check_steps(claims: Mapping[str, Any]) -> None:
    steps = claims["steps"]
    right = (
        isinstance(steps, list)
        and 1 < len(steps) <= MOST_STEPS
        and claims["on_failure"] in {"stop", "continue"}
        and all(isinstance(each, dict) and set(each) == {"arguments", "tool"} for each in steps)
        and all(isinstance(value, str) for each in steps for value in each.values())
        and steps[0] == {"arguments": claims["arguments"], "tool": claims["tool"]}
    )
    if not right:
        raise Refused("malformed", "The grant's steps are not of the form that is taken.")


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        found = _json(text.encode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused("malformed", "The grant's arguments are not a JSON object.")
    return found


# What this machine does


@dataclass(frozen=True)
class Action:
    """A command of the configuration: one argument of the grant fills one place, and every one has its place."""

    argv: tuple[str, ...]
    seconds: float

    @classmethod
    def of(cls, grant: Step, actions: Mapping[str, Any]) -> "Action":
        told = actions.get(grant.tool)
        if not isinstance(told, dict) or not told.get("argv"):
            raise Refused("no_action", f"Nothing is configured here for {grant.tool}.")
        template = [str(each) for each in told["argv"]]
        places = {name for each in template for name in PLACE.findall(each)}
        if places != set(grant.arguments):
            raise Refused("arguments", f"The command for {grant.tool} does not take exactly the grant's arguments.")
        values = {name: _word(name, value) for name, value in grant.arguments.items()}
        argv = [PLACE.sub(lambda found: values[found[1]], each) for each in template]
        bare = [value for each, value in zip(template, argv, strict=True) if PLACE.match(each) and value[:1] == "-"]
        if bare or not Path(argv[0]).is_absolute() or PLACE.search(template[0]):
            raise Refused("arguments", "An argument would be read as an option, or the command has no absolute path.")
        return cls(tuple(argv), float(told.get("seconds", 60)))

    def run(self) -> tuple[str, int | None, bytes]:
        """Outcome, exit code, what it said."""
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell, from the machine's own configuration
                self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=self.seconds, check=False, env={"PATH": os.defpath}, cwd="/",
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            return "unknown", None, (late.stdout or b"")[:MOST_OUTPUT]
        except OSError as error:
            return "failed", None, str(error).encode()
        return "succeeded" if done.returncode == 0 else "failed", done.returncode, done.stdout[:MOST_OUTPUT]


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float) or "\0" in str(value):
        raise Refused("arguments", f"The argument {name} is neither text nor a number.")
    return str(value)


# What it remembers


class Memory:
    """A directory of its own, closed to others. What is written is on the disk before the method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for each in (folder, folder / "grants", folder / "uses"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            each.chmod(0o700)

    def lock(self) -> None:
        """For as long as this process lives."""
        self._held = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused("running", "Another agent works with this directory already.") from None

    def read(self, name: str) -> Any:
        try:
            return _json((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, value: Any) -> None:
        """Whole, or as it was before."""
        path = self.folder / name
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        self._put(draft, canonical(value))
        draft.replace(path)
        self._settle(path.parent)

    def keep(self, name: str, data: bytes) -> None:
        """For people on this machine. Part of it may be lost with the power."""
        self.forget(name)
        self._put(self.folder / name, data)

    def claim(self, name: str, value: Any) -> bool:
        """Whether it is ours: of all who try, in any process, one."""
        path = self.folder / name
        try:
            self._put(path, canonical(value))
        except FileExistsError:
            return False
        self._settle(path.parent)
        return True

    def _put(self, path: Path, data: bytes) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _settle(self, folder: Path) -> None:
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)

    def forget(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def names(self, folder: str, ending: str) -> list[str]:
        return sorted(each.name.removesuffix(ending) for each in (self.folder / folder).glob(f"[!.]*{ending}"))


# The channel


class Unreachable(Exception):
    """Nothing came back that MSPlex could have said."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Channel:
    """Requests to MSPlex, each signed (RFC 9421) over method, address and content, with a number that goes up."""

    def __init__(self, portal: str, timeout: float = 10.0) -> None:
        parts = urlsplit(portal)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not local and (parts.scheme != "https" or not parts.hostname):
            raise Refused("config", "The portal's address has to begin with https://.")
        self.portal, self.timeout = portal.rstrip("/"), timeout
        self._open = urllib.request.build_opener(_NoRedirect).open

    def ask(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer. Unreachable for whatever is not an answer of MSPlex: faults of a server are none."""
        request = urllib.request.Request(f"{self.portal}{path}", body, dict(headers), method="POST")  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with self._open(request, timeout=self.timeout) as reply:
                status, said = reply.status, _json(reply.read(MOST_ANSWER))
        except urllib.error.HTTPError as error:
            status, said = error.code, _fault(error)
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
        if not isinstance(said, dict) or status >= 500 or 300 <= status < 400:  # noqa: PLR2004 - HTTP's classes
            raise Unreachable(f"status {status}")
        return status, said


def _fault(error: urllib.error.HTTPError) -> Any:
    try:
        return _json(error.read(MOST_ANSWER))
    except (OSError, ValueError):
        return None


def proof(
    key: Ed25519PrivateKey, identity: Mapping[str, Any], path: str, body: bytes, when: tuple[int, int]
) -> dict[str, str]:
    """`when`: seconds since 1970, and the request's number."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    params = (
        f'("@method" "@target-uri" "content-digest");created={when[0]};nonce="{when[1]}"'
        f';keyid="{identity["client_id"]}";alg="ed25519"'
    )
    lines = ('"@method": POST', f'"@target-uri": {identity["issuer"]}{path}', f'"content-digest": {digest}')
    base = "\n".join((*lines, f'"@signature-params": {params}'))
    signature = base64.b64encode(key.sign(base.encode())).decode()
    return {"Content-Digest": digest, "Signature-Input": f"held={params}", "Signature": f"held=:{signature}:"}


class Agent:
    """What it holds, what it sees, and what it does about it. `tick` is one look; nothing waits inside but the network
    and the action."""

    def __init__(self, config: Mapping[str, Any], clock: Clock | None = None) -> None:
        self.config, self.clock = config, clock or Clock()
        self.memory = Memory(Path(config["state"]))
        self.channel = Channel(config["portal"], float(config.get("timeout", 10)))
        # Since when MSPlex is out of reach: at the most since this process looks for it.
        self.contact, self.wall_at_contact = self.clock.steady(), self.clock.wall()
        self.identity: dict[str, Any] = {}
        self.said: dict[str, str] = {}

    def enrol(self, code: str) -> None:
        """Its key is made here and never leaves; what MSPlex signs grants with is believed from now on."""
        if self.memory.read("identity.json"):
            raise Refused("enrolled", "It has enrolled already. For another identity take another directory.")
        key = self._new_key()
        body = canonical({"code": code.strip(), "key": text_of(raw_of(key.public_key()))})
        status, said = self.channel.ask("/held/enrol", body, {})
        if status != 200:  # noqa: PLR2004 - done
            raise Refused("enrol", f"The code was not taken ({said.get('error', status)}). Ask for a new one.")
        said["agent_key"] = kid_of(raw_of(key.public_key()))
        self.memory.write("identity.json", said)
        say(
            "enrolled", f"for {said['asset_name']}; keys pinned: {', '.join(kid_of(bytes_of(k)) for k in said['keys'])}"
        )

    def _new_key(self) -> Ed25519PrivateKey:
        pem = self.memory.read("key.json")
        if pem is None:
            key = Ed25519PrivateKey.generate()
            kept = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
            self.memory.write("key.json", {"pem": kept.decode()})
        return self._key()

    def _key(self) -> Ed25519PrivateKey:
        found = self.memory.read("key.json")
        key = forms.load_pem_private_key(found["pem"].encode(), None) if found else None
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused("key", "Its key is missing. Enrol it anew in another directory.")
        return key

    def start(self) -> None:
        """Alone; and what a former process began and did not end is of unknown outcome, and never begun again."""
        self.memory.lock()
        self.identity = self.memory.read("identity.json") or {}
        if not self.identity:
            raise Refused("not_enrolled", "It has not enrolled yet.")
        for name in self.memory.names("uses", ".claim"):
            if self.memory.read(f"uses/{name}.done") is None:
                self._finish(name, ("unknown", None, b""), None)
                say("unknown", f"use {name} was begun by a process that has ended; it is not done again")

    def run(self) -> None:
        stop: list[int] = []
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda number, _: stop.append(number))
        self.start()
        say("started", f"for {self.identity['asset_name']}")
        while not stop:
            self.tick()
            self.clock.sleep(float(self.config.get("every", 30)))

    def tick(self) -> None:
        self._sync()
        self._report()
        why = self._clock_trouble()
        if why:
            self._say_once("clock", why)
            return
        self.said.pop("clock", None)
        self._remember(latest=self.clock.wall())
        self._look()

    # Contact

    def _state(self) -> dict[str, Any]:
        found = self.memory.read("memory.json")
        return {"counter": 0, "latest": 0.0, "skew": None, "believed": False, "contact": 0.0} | (found or {})

    def _remember(self, **changes: Any) -> None:
        self.memory.write("memory.json", self._state() | changes)

    def _ask(self, path: str, given: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        number = max(self._state()["counter"] + 1, time.time_ns())
        self._remember(counter=number)
        body = canonical(given)
        when = (int(self.clock.wall()), number)
        status, said = self.channel.ask(path, body, proof(self._key(), self.identity, path, body, when))
        self.contact, self.wall_at_contact = self.clock.steady(), self.clock.wall()
        if isinstance(said.get("now"), int):
            self._meet(status, said["now"])
        return status, said

    def _meet(self, status: int, now: int) -> None:
        """MSPlex has answered: whether it believes this agent, and how far the clocks are apart."""
        wall = self.clock.wall()
        believed = {200: True, 401: False, 403: False}.get(status, self._state()["believed"])
        near = abs(now - wall) <= SKEW
        latest = wall if near else self._state()["latest"]
        self._remember(skew=now - wall, believed=believed, contact=wall, latest=latest)

    def _sync(self) -> None:
        known = {"revoked": self._revoked(), "refused": dict(self._refusals())}
        try:
            status, said = self._ask("/held/sync", known)
        except Unreachable as error:
            self._say_once("contact", f"MSPlex is out of reach: {error}")
            return
        if status != 200:  # noqa: PLR2004 - done
            self._say_once("contact", f"MSPlex answers {said.get('error', status)}; nothing is done until it is well")
            return
        if self.said.pop("contact", None):
            say("contact", "MSPlex is in reach")
        self._keep(said)

    def _keep(self, said: Mapping[str, Any]) -> None:
        revoked = [each for each in said.get("revoked", []) if isinstance(each, str) and UUID.fullmatch(each)]
        self.memory.write("revoked.json", sorted({*self._revoked(), *revoked}))
        self._prune()
        offered = {str(each.get("id")): str(each.get("token")) for each in said.get("grants", [])}
        for name, token in offered.items():
            if UUID.fullmatch(name) and self.memory.read(f"grants/{name}.json") is None:
                self.memory.write(f"grants/{name}.json", token)
                say("held", name)

    def _prune(self) -> None:
        """Of a day ago. What was used stays: it is what keeps it from being used again."""
        for name in self.memory.names("grants", ".json"):
            try:
                over = self._grant(name).claims["exp"] < self.clock.wall() - 86400
            except Refused:
                over = False
            if over:
                self.memory.forget(f"grants/{name}.json")

    def _revoked(self) -> list[str]:
        return list(self.memory.read("revoked.json") or [])

    def _refusals(self) -> Iterator[tuple[str, str]]:
        """What it holds and will not act on, for people to see."""
        for name in self.memory.names("grants", ".json"):
            try:
                self._actions(self._grant(name))
            except Refused as refused:
                yield name, f"{refused.code}: {refused}"

    # Clocks

    def _clock_trouble(self) -> str:
        state, wall = self._state(), self.clock.wall()
        if not state["believed"]:
            return "MSPlex does not believe this agent, so it does nothing"
        if state["skew"] is None or abs(state["skew"]) > SKEW:
            return "clock_apart: its clock and MSPlex's are too far apart"
        if wall < state["latest"] - BACK:
            return "clock_back: the clock has gone back"
        if abs((wall - self.wall_at_contact) - (self.clock.steady() - self.contact)) > SKEW:
            return "clock_jumped: the clock was set since the last contact"
        return ""

    # Acting

    def _look(self) -> None:
        revoked = set(self._revoked())
        alert = self._is_alert()
        for name in self.memory.names("grants", ".json"):
            if name in revoked:
                continue
            try:
                self._consider(self._grant(name), alert=alert)
                self.said.pop(name, None)
            except Refused as refused:
                self._say_once(name, f"{refused.code}: {refused}")

    def _grant(self, name: str) -> Grant:
        grant = verified(self.memory.read(f"grants/{name}.json"), self.identity)
        if grant.id != name:
            raise Refused("malformed", "The grant is not the one that it was given as.")
        return grant

    def _actions(self, grant: Grant) -> list[Action]:
        """Of every step; without one of them none is begun."""
        return [Action.of(step, self.config.get("actions", {})) for step in grant.steps]

    def _consider(self, grant: Grant, *, alert: bool) -> None:
        actions = self._actions(grant)
        now = self.clock.wall()
        if not grant.claims["nbf"] <= now < grant.claims["exp"]:
            return
        lost = self.clock.steady() - self.contact
        holds = (grant.on_alert and alert) or 0 < grant.minutes * 60 < lost
        used = len(self._uses(grant.id))
        if used and self._is_unfinished(grant, used):
            self._go_on(grant, actions, used, {"resumed": True})
        elif not holds:
            self._rearm(grant, used)
        elif used < grant.claims["uses"] and self._is_armed(grant, used):
            self._fire(grant, actions, {"critical_alert": alert, "seconds_without_contact": int(lost)})

    def _uses(self, grant: str) -> list[str]:
        """Each by its first step."""
        named = self.memory.names("uses", ".claim")
        return [name for name in named if name.startswith(f"{grant}.") and name.count(".") == 1]

    def _is_armed(self, grant: Grant, used: int) -> bool:
        """One use for each time that the condition becomes true, not for each look at it."""
        return used == 0 or self.memory.read(f"uses/{grant.id}.{used:03}.armed") is not None

    def _rearm(self, grant: Grant, used: int) -> None:
        if used and not self._is_armed(grant, used):
            self.memory.write(f"uses/{grant.id}.{used:03}.armed", True)

    def _fire(self, grant: Grant, actions: Sequence[Action], seen: Mapping[str, Any]) -> None:
        self._go_on(grant, actions, len(self._uses(grant.id)) + 1, seen)

    def _go_on(self, grant: Grant, actions: Sequence[Action], number: int, seen: Mapping[str, Any]) -> None:
        """The steps that nobody has begun, in their order, until one has to stop it."""
        for step, action in enumerate(actions, start=1):
            name = _named(grant.id, number, step)
            if self.memory.read(f"uses/{name}.done") is None and not self._do(grant, action, (number, step), seen):
                return  # somebody else is at it, or was when they ended
            if grant.stops and self._outcome(name) != "succeeded":
                if step < len(actions):
                    say("stopped", f"{grant.id}, use {number}: step {step} of {len(actions)} has not succeeded")
                return

    def _do(self, grant: Grant, action: Action, which: tuple[int, int], seen: Mapping[str, Any]) -> bool:
        """The step is on the disk before anything is done: whatever happens then, it is not done a second time."""
        number, step = which
        name, tool = _named(grant.id, number, step), grant.steps[step - 1].tool
        if not self.memory.claim(f"uses/{name}.claim", self._claim(grant, which, seen)):
            return False
        say("firing", f"{tool}, use {number} of {grant.claims['uses']}, grant {grant.id}{_of(grant, step)}")
        outcome = action.run()
        self._finish(name, outcome, action)
        say(outcome[0], f"{tool}, use {number}, exit code {outcome[1]}{_of(grant, step)}")
        return True

    def _is_unfinished(self, grant: Grant, number: int) -> bool:
        """Whether steps are left that may be done: what was begun has ended, and nothing has stopped it."""
        for step in range(1, len(grant.steps) + 1):
            name = _named(grant.id, number, step)
            if self.memory.read(f"uses/{name}.done") is None:
                return step > 1 and not (self.memory.folder / f"uses/{name}.claim").exists()
            if grant.stops and self._outcome(name) != "succeeded":
                return False
        return False

    def _outcome(self, name: str) -> str:
        evidence = self.memory.read(f"uses/{name}.done")["evidence"]
        return str(_json(bytes_of(evidence.split(".")[1]))["outcome"])

    def _claim(self, grant: Grant, which: tuple[int, int], seen: Mapping[str, Any]) -> dict[str, Any]:
        number, step = which
        several = {"step": step, "v": 2} if len(grant.steps) > 1 else {}
        return {
            "agent": self.identity["agent"], "asset": self.identity["asset"], "bound": grant.claims["bound"],
            "claimed_at": int(self.clock.wall()), "contact": int(self._state()["contact"]), "grant": grant.id,
            "nonce": grant.claims["nonce"], "number": number, "seen": dict(seen), "tenant": self.identity["tenant"],
            "tool": grant.steps[step - 1].tool, "v": 1, **several,
        }  # fmt: skip

    def _finish(self, name: str, outcome: tuple[str, int | None, bytes], action: Action | None) -> None:
        """The evidence, signed once, so that it is the same however often it is reported."""
        said, code, output = outcome
        self.memory.keep(f"uses/{name}.out", output)
        evidence = self._begun(name) | {
            "argv_sha256": hashlib.sha256("\0".join(action.argv).encode()).hexdigest() if action else "",
            "exit_code": code, "finished_at": int(self.clock.wall()), "outcome": said, "output_bytes": len(output),
            "output_sha256": hashlib.sha256(output).hexdigest(),
        }  # fmt: skip
        self.memory.write(f"uses/{name}.done", {"evidence": signed(self._key(), USE, evidence)})

    def _begun(self, name: str) -> dict[str, Any]:
        try:
            found = self.memory.read(f"uses/{name}.claim")
        except ValueError:  # it was killed while it wrote: nothing was done yet, but nobody can know
            found = None
        if found:
            return dict(found)
        grant, number, *step = name.split(".")
        several = {"step": int(step[0][1:]), "v": 2} if step else {}
        return {"grant": grant, "number": int(number), "v": 1, "agent": self.identity["agent"], **several}

    def _report(self) -> None:
        for name in self.memory.names("uses", ".done"):
            if self.memory.read(f"uses/{name}.told") is not None:
                continue
            try:
                status, said = self._ask("/held/report", self.memory.read(f"uses/{name}.done"))
            except Unreachable:
                return
            if status == 200:  # noqa: PLR2004 - done
                self.memory.write(f"uses/{name}.told", said)
                say("reported", f"use {name}: {said.get('finding') or said.get('state')}")
            else:
                self._say_once(f"report {name}", f"the report of {name} was not taken: {said.get('error', status)}")

    def _is_alert(self) -> bool:
        """As the configuration has it: a file that is there, or a command that ends with 0."""
        told = self.config.get("critical_alert") or {}
        if "file" in told:
            return Path(told["file"]).exists()
        if "command" not in told:
            return False
        try:
            done = subprocess.run(  # noqa: S603 - a list, no shell, from the machine's own configuration
                [str(each) for each in told["command"]], stdin=subprocess.DEVNULL, capture_output=True, timeout=10,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def _say_once(self, about: str, sentence: str) -> None:
        if self.said.get(about) != sentence:
            self.said[about] = sentence
            say("waits", sentence)

    def show(self) -> None:
        self.identity = self.memory.read("identity.json") or {}
        for name in self.memory.names("grants", ".json"):
            try:
                grant = self._grant(name)
                what = ", then ".join(f"{each.tool} {canonical(each.arguments).decode()}" for each in grant.steps)
                said = f"{what}, used {len(self._uses(name))} of {grant.claims['uses']}"
            except Refused as refused:
                said = f"refused, {refused.code}: {refused}"
            say("revoked" if name in self._revoked() else "holds", f"{name}: {said}")


def _named(grant: str, number: int, step: int) -> str:
    """Of a step on the disk; the first is the use itself."""
    return f"{grant}.{number:03}" + (f".s{step:02}" if step > 1 else "")


def _of(grant: Grant, step: int) -> str:
    return f", step {step} of {len(grant.steps)}" if len(grant.steps) > 1 else ""


def say(what: str, sentence: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {what} {sentence}", flush=True)


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Holds grants that MSPlex has issued in advance.")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("command", choices=["enrol", "run", "show"])
    told = parser.parse_args(given)
    os.umask(0o077)
    try:
        agent = Agent(_json(told.config.read_bytes()))
        if told.command == "enrol":
            agent.enrol(sys.stdin.readline())
        elif told.command == "run":
            agent.run()
        else:
            agent.show()
    except (Refused, Unreachable) as error:
        say(getattr(error, "code", "unreachable"), str(error))
        return 1
    except (OSError, ValueError, KeyError) as error:
        say("config", f"{told.config}: {type(error).__name__}: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
