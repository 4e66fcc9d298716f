"""Which client of a vendor's system a customer probably is: suggestions for a person, never a decision.

By domain first, then by name; what is exact before what is near. Pure: the same suggestions for the same lists.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from uuid import UUID

# Ends of names that say what a company is, not which one. After their dots are gone: "S.r.o." is "sro".
_LEGAL = frozenset({
    "ab", "ag", "aps", "as", "bv", "bvba", "co", "company", "corp", "corporation", "doo", "eg", "ev", "gbr", "gmbh",
    "group", "inc", "incorporated", "kft", "kg", "kgaa", "limited", "llc", "llp", "lp", "ltd", "mbh", "nv", "ohg", "oy",
    "oyj", "plc", "pllc", "pty", "sa", "sarl", "sas", "se", "sl", "spa", "sro", "srl", "sprl", "ug",
})  # fmt: skip
_FILLING = frozenset({"and", "the", "und"})
# Where everybody has an address: such a domain says nothing of whose a company is.
PUBLIC_DOMAINS = frozenset({
    "aol.com", "facebook.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com",
    "linkedin.com", "live.com", "me.com", "outlook.com", "proton.me", "protonmail.com", "t-online.de", "web.de",
    "yahoo.com",
})  # fmt: skip
_INITIALS = re.compile(r"\b\w(?:\.\s?\w)+\b\.?")  # of "S.r.o." and "e. V."
_WORD = re.compile(r"\w+")
NEAR, CLEARLY = 0.84, 0.06  # how alike two names are at least, and by how much more than the next one
_SHARED = 0.4  # of their letters by threes, before they are compared at all
_MOST_NAMES = 2000


class Reason(StrEnum):
    DOMAIN = "domain"
    NAME = "name"
    DOMAIN_AND_NAME = "domain_and_name"
    NEAR_NAME = "near_name"


class Certainty(StrEnum):
    """`sure`: exact, and nobody else fits on either side. `likely`: only near. `ambiguous`: several fit."""

    SURE = "sure"
    LIKELY = "likely"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Party:
    """A customer (its id) or a client (its id at the vendor), as far as it matters here."""

    id: str
    name: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One client, or several of which a person has to choose one: ids at the vendor, the most alike first."""

    customer: UUID
    clients: tuple[str, ...]
    certainty: Certainty
    reason: Reason

    @property
    def is_sure(self) -> bool:
        return self.certainty is Certainty.SURE


def plain_name(name: str) -> str:
    """For comparing: without case, punctuation and legal form. Empty only for names without a letter or digit."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    words = _WORD.findall(_INITIALS.sub(lambda found: re.sub(r"[.\s]", "", found[0]), folded).replace("'", ""))
    kept = [word for word in words if word not in _FILLING]
    while len(kept) > 1 and kept[-1] in _LEGAL:
        kept.pop()
    return " ".join(kept or words)


def suggestions(customers: Sequence[Party], clients: Sequence[Party]) -> list[Suggestion]:
    """For customers and clients that are not mapped, in the order of the customers. No client is suggested as sure or
    likely for two customers."""
    exact = _Edges(_by_domain(customers, clients), _by_name(customers, clients))
    found = {party.id: made for party in customers if (made := exact.suggestion(party.id))}
    spoken_for = {client for suggestion in found.values() for client in suggestion.clients}
    left = [party for party in customers if party.id not in found][:_MOST_NAMES]
    free = [client for client in clients if client.id not in spoken_for][:_MOST_NAMES]
    found |= _near(left, free)
    return [found[party.id] for party in customers if party.id in found]


def digest_of(sure: Iterable[Suggestion]) -> str:
    """Of what "all sure ones" means at this moment, so that a person confirms what they were shown."""
    pairs = sorted(f"{each.customer}:{each.clients[0]}" for each in sure)
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


_Pairs = Mapping[str, frozenset[str]]


class _Edges:
    """Who fits whom exactly, from both sides."""

    def __init__(self, domains: _Pairs, names: _Pairs) -> None:
        self._domains, self._names = domains, names
        self._back_domains, self._back_names = _reversed(domains), _reversed(names)

    def suggestion(self, customer: str) -> Suggestion | None:
        by_domain, by_name = self._domains.get(customer, frozenset()), self._names.get(customer, frozenset())
        clients = by_domain | by_name
        if not clients:
            return None
        both = by_domain & by_name
        chosen = both if len(both) == 1 else clients
        if len(chosen) == 1 and self._is_only(customer, next(iter(chosen)), both=bool(both)):
            reason = Reason.DOMAIN_AND_NAME if both else Reason.DOMAIN if by_domain else Reason.NAME
            return Suggestion(UUID(customer), tuple(chosen), Certainty.SURE, reason)
        ordered = sorted(clients, key=lambda client: (client not in both, client not in by_domain, client))
        return Suggestion(
            UUID(customer), tuple(ordered), Certainty.AMBIGUOUS, Reason.DOMAIN if by_domain else Reason.NAME
        )

    def _is_only(self, customer: str, client: str, *, both: bool) -> bool:
        """Whether no other customer fits the client as well: by both, if this one does; else in any way."""
        by_domain, by_name = self._back_domains.get(client, frozenset()), self._back_names.get(client, frozenset())
        rivals = by_domain & by_name if both else by_domain | by_name
        return rivals == {customer}


def _reversed(pairs: _Pairs) -> _Pairs:
    back: dict[str, set[str]] = defaultdict(set)
    for one, others in pairs.items():
        for other in others:
            back[other].add(one)
    return {one: frozenset(others) for one, others in back.items()}


def _by_domain(customers: Sequence[Party], clients: Sequence[Party]) -> _Pairs:
    at: dict[str, set[str]] = defaultdict(set)
    for client in clients:
        for domain in set(client.domains) - PUBLIC_DOMAINS:
            at[domain].add(client.id)
    return _found(customers, lambda party: (at[domain] for domain in party.domains if domain in at))


def _by_name(customers: Sequence[Party], clients: Sequence[Party]) -> _Pairs:
    called: dict[str, set[str]] = defaultdict(set)
    for client in clients:
        called[plain_name(client.name)].add(client.id)
    called.pop("", None)
    return _found(customers, lambda party: [called.get(plain_name(party.name), set())])


def _found(customers: Sequence[Party], fitting: Callable[[Party], Iterable[set[str]]]) -> _Pairs:
    nothing: frozenset[str] = frozenset()
    found = {party.id: nothing.union(*fitting(party)) for party in customers}
    return {customer: clients for customer, clients in found.items() if clients}


def _near(customers: Sequence[Party], clients: Sequence[Party]) -> dict[str, Suggestion]:
    """Names that are almost the same. A client that is the best of two customers is ambiguous for both."""
    index = _Index(clients)
    best = {party.id: near for party in customers if (near := index.alike(plain_name(party.name)))}
    wanted = Counter(client for near in best.values() for client in near)
    made = {}
    for customer, near in best.items():
        alone = len(near) == 1 and wanted[near[0]] == 1
        certainty = Certainty.LIKELY if alone else Certainty.AMBIGUOUS
        made[customer] = Suggestion(UUID(customer), near, certainty, Reason.NEAR_NAME)
    return made


class _Index:
    """Names by their letters in threes, so that not every name is compared with every other."""

    def __init__(self, clients: Sequence[Party]) -> None:
        self._names = {client.id: plain_name(client.name) for client in clients}
        self._sizes = {client: len(_threes(name)) for client, name in self._names.items()}
        self._having: dict[str, list[str]] = defaultdict(list)
        for client, name in self._names.items():
            for three in _threes(name):
                self._having[three].append(client)

    def alike(self, name: str) -> tuple[str, ...]:
        """The nearest, and those that are about as near."""
        threes = _threes(name)
        shared = Counter(client for three in threes for client in self._having.get(three, ()))
        scores = {
            client: similarity(name, self._names[client])
            for client, count in shared.items()
            if 2 * count >= _SHARED * (len(threes) + self._sizes[client])
        }
        good = sorted((client for client, score in scores.items() if score >= NEAR), key=lambda c: (-scores[c], c))
        return tuple(client for client in good if scores[good[0]] - scores[client] < CLEARLY)


def similarity(one: str, other: str) -> float:
    """Of two plain names, 0 to 1, whatever the order of their words."""
    first, second = (" ".join(sorted(name.split())) for name in (one, other))
    return max(SequenceMatcher(None, one, other).ratio(), SequenceMatcher(None, first, second).ratio())


def _threes(name: str) -> set[str]:
    padded = f"  {name} "
    return {padded[n : n + 3] for n in range(len(padded) - 2)} if name else set()
