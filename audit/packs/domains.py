"""Whose people an address belongs to. Equality of the whole domain and nothing else: no ending, no pattern.

Only names in ASCII are compared. A domain with other letters has one spelling in ASCII (IDNA, xn--...), and a name that
merely looks like another has another one.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from audit.actors import ActorKind

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LONGEST = 253


def domain_of(address: object) -> str | None:
    """What follows the last @ of an address, in ASCII and lower case. None: no address, or not plainly written."""
    if not isinstance(address, str) or "@" not in address:
        return None
    local, _, domain = address.rpartition("@")
    return normal(domain) if local and not any(each.isspace() for each in address) else None


def normal(domain: str) -> str | None:
    """The one spelling of a domain name; None if it is none, or if it is written in letters that stand for others."""
    if not domain.isascii():
        if unicodedata.normalize("NFKC", domain) != domain:
            return None
        try:
            domain = domain.lower().encode("idna").decode("ascii")
        except UnicodeError:
            return None
    domain = domain.lower()
    labels = domain.split(".")
    if len(domain) > LONGEST or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):  # noqa: PLR2004 - a dot
        return None
    return domain


def filter_of(text: str) -> str | None:
    """`actor_filter=@msp.example`: the domain, or None."""
    return normal(text[1:]) if text.startswith("@") else None


def team_member(header: Mapping[str, Any], facts: Mapping[str, Any], domain: str) -> str | None:
    """The id of the person of that domain who acted, or for whom an agent did; None if there was none.

    Only people have an address. What automation calls itself says nothing.
    """
    actor = header["actor"]
    for who, label in ((actor, "actor_label"), (actor.get("on_behalf_of") or {}, "on_behalf_of_label")):
        if who.get("kind") == ActorKind.USER and who.get("id") and domain_of(facts.get(label)) == domain:
            return str(who["id"])
    return None
