"""Which events evidence which control. A map for whoever audits, not a claim that a control is met.

Kinds are `area:thing:verb`; a pattern ends with `*` or is one kind. What a framework calls PR.AC-4 in its version 1.1
is PR.AA-05 in 2.0; both names are shown, because both are asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ACCESS = ("identity:role:*", "identity:member:*", "identity:principal:*", "identity:invitation:*")
SIGN_INS = ("identity:session:*", "identity:mfa:*", "identity:passkey:*", "identity:password:*", "identity:email:*")
MACHINES = ("identity:service_account:*", "identity:secret:*", "identity:token:*", "identity:agent:*")
CALLS = ("gateway:call:*",)
SECRETS = ("connectors:credential:*",)
CONNECTORS = ("connectors:instance:*", "connectors:customer:*")
APPROVALS = ("approvals:*",)
RULES = ("tenant:security:*", "billing:entitlement:*", "approvals:policy:*")


@dataclass(frozen=True, slots=True)
class Control:
    framework: str
    reference: str
    topic: str
    kinds: tuple[str, ...]


CONTROLS = (
    Control("SOC 2", "CC6.1", "Access to systems and credentials is restricted", ACCESS + SECRETS + CALLS),
    Control("SOC 2", "CC6.2, CC6.3", "Access is given, changed and taken away by role", ACCESS + MACHINES),
    Control("SOC 2", "CC7.2", "What happens is watched, refusals included", CALLS + SIGN_INS + SECRETS),
    Control("SOC 2", "CC8.1, CC5.1", "Risky changes are approved by others than their requester", APPROVALS),
    Control("HIPAA", "164.308(a)(4)", "Access to information is authorised", ACCESS + APPROVALS),
    Control("HIPAA", "164.312(a)(1)", "Technical access control", CALLS + SECRETS + MACHINES),
    Control("HIPAA", "164.312(b)", "Audit controls: activity is recorded and can be examined", ("*",)),
    Control("HIPAA", "164.312(c)(1)", "Records are protected from improper alteration", ("*",)),
    Control("HIPAA", "164.312(d)", "Who asks for access is authenticated", SIGN_INS + MACHINES),
    Control(
        "NIST CSF", "PR.AC-4 (2.0: PR.AA-05)", "Least privilege and separation of duties", ACCESS + APPROVALS + CALLS
    ),
    Control("NIST CSF", "PR.PT-1 (2.0: PR.PS-04)", "Log records are made and can be reviewed", ("*",)),
    Control("NIST CSF", "DE.CM-3 (2.0: DE.CM-03)", "The activity of people is monitored", SIGN_INS + CALLS),
    Control("NIST AI RMF", "GOVERN 2.1", "Who answers for what an agent does", ("identity:agent:*", *CALLS)),
    Control("NIST AI RMF", "MAP 3.5", "People oversee what agents may do", APPROVALS + RULES),
    Control(
        "NIST AI RMF",
        "MANAGE 4.1",
        "Agents are watched, overridden and stopped",
        ("identity:agent:*", *APPROVALS, *CALLS),
    ),
    Control(
        "OWASP NHI",
        "NHI-01",
        "Offboarding of non-human identities",
        ("identity:principal:*", "identity:secret:*", "identity:agent:*"),
    ),
    Control("OWASP NHI", "NHI-02", "Leakage of secrets: each opening of a credential is recorded", SECRETS),
    Control(
        "OWASP NHI",
        "NHI-03",
        "Third-party identities: what connectors and their credentials did",
        CONNECTORS + SECRETS + MACHINES,
    ),
    Control("OWASP NHI", "NHI-05", "Overprivileged identities: refusals and changes of roles", ACCESS + CALLS),
    Control(
        "OWASP NHI",
        "NHI-07",
        "Long-lived secrets: rotation and short-lived tokens",
        ("identity:secret:*", "identity:token:*"),
    ),
    Control("OWASP NHI", "NHI-09, NHI-10", "Reuse of identities, and people who use them", MACHINES),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    control: Control
    events: int
    kinds: int


def evidence_of(counts: Mapping[str, int]) -> list[Evidence]:
    """`counts`: how many events there are of each kind."""
    return [_evidence(control, counts) for control in CONTROLS]


def _evidence(control: Control, counts: Mapping[str, int]) -> Evidence:
    found = [kind for kind in counts if fits(kind, control.kinds)]
    return Evidence(control, sum(counts[kind] for kind in found), len(found))


def fits(kind: str, patterns: Iterable[str]) -> bool:
    return any(kind == each or (each.endswith("*") and kind.startswith(each[:-1])) for each in patterns)
