"""A rule of the tool policy as a sentence."""

from collections.abc import Iterator

from approvals.models import ToolRule
from approvals.policy import Rule
from connectors.catalogue import find
from identity.roles import ROLES, Role


def about(row: ToolRule) -> str:
    """What it is about: "Tools that write, of HaloPSA, for Acme; if priority is 1; Sat, Sun UTC"."""
    said = "; ".join([", ".join(_target(row)), *_bounds(row)])
    return said if row.tool else said[0].upper() + said[1:]


def does(row: ToolRule) -> str:
    match row.effect:
        case ToolRule.Effect.REFUSE:
            return "Refused"
        case ToolRule.Effect.ALLOW:
            return "Runs"
        case ToolRule.Effect.CONFIRM:
            return "Its caller confirms, or one person agrees first"
    among = ", ".join(ROLES[Role(each)].label for each in row.factors)
    return f"{needs(row.approvers)} ({among} among them)" if among else needs(row.approvers)


def needs(approvers: int) -> str:
    """What stands for a number of approvers."""
    if not approvers:
        return "Runs"
    return "One person agrees first" if approvers == 1 else f"{approvers} people agree first"


def _target(row: ToolRule) -> Iterator[str]:
    yield row.tool or KINDS[row.risk]
    if row.connector:
        entry = find(row.connector)
        yield f"of {entry.name if entry else row.connector}"
    if row.tier:
        yield f"tier {row.tier}"
    if row.customer:
        yield f"for {row.customer.name}"
    if row.role:
        yield f"called as {ROLES[Role(row.role)].label}"
    if row.caller:
        yield "called by agents of people" if row.caller == "agent" else "called by service accounts"


KINDS = {
    "": "every tool",
    "read": "tools that read",
    "write": "tools that write",
    "destructive": "tools that destroy",
}


def _bounds(row: ToolRule) -> Iterator[str]:
    rule = Rule.of(row)
    if rule.conditions:
        yield "if " + " and ".join(map(str, rule.conditions))
    if rule.window:
        yield str(rule.window)
