"""Every refusal there is: where it comes from, what it means, and the smallest thing that helps.

docs/refusals.md is made of this, and a test holds the two together. A refusal's own message says more, because it knows
the call; what stands here is true of all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connectors.errors import MESSAGES, RETRYABLE
from msplex.decision.verdicts import Code, Gate


class Helper(StrEnum):
    """Who can do what helps."""

    CALLER = "the caller"
    ADMINISTRATOR = "an administrator of the tenant"
    DECIDERS = "the people who decide"
    PROVIDER = "the provider"
    NOBODY = "nobody; it passes"


@dataclass(frozen=True, slots=True)
class Denial:
    gates: tuple[Gate, ...]
    means: str
    remedy: str
    by: Helper


_EXECUTE = (Gate.EXECUTE,)

OF_GATES: Mapping[Code, Denial] = {
    Code.PRINCIPAL_REFUSED: Denial(
        (Gate.AUTHENTICATE_PRINCIPAL,),
        "The token's holder may not act: disabled, changed, or calling from elsewhere than it may.",
        "Get a new token. If that is refused too, have the account enabled.",
        Helper.ADMINISTRATOR,
    ),
    Code.TENANT_SUSPENDED: Denial(
        (Gate.RESOLVE_TENANT,), "The workspace is suspended.", "Ask the provider of this deployment.", Helper.PROVIDER
    ),
    Code.CUSTOMER_REQUIRED: Denial(
        (Gate.RESOLVE_CUSTOMER,),
        "The access covers several customers, and the call is for none of them.",
        "Pass `customer`; the refusal lists those in scope.",
        Helper.CALLER,
    ),
    Code.CUSTOMER_NOT_IN_SCOPE: Denial(
        (Gate.RESOLVE_CUSTOMER,),
        "There is no such customer for this caller; unknown and foreign ones are the same.",
        "Pass one that is in scope, or have the role extended to it.",
        Helper.CALLER,
    ),
    Code.ENTITLEMENTS_UNAVAILABLE: Denial(
        (Gate.LOAD_ENTITLEMENTS,),
        "The workspace has no plan that could be read.",
        "Ask the provider of this deployment.",
        Helper.PROVIDER,
    ),
    Code.SUBSCRIPTION_INACTIVE: Denial(
        (Gate.VERIFY_SUBSCRIPTION,), "The subscription is over.", "Have it renewed.", Helper.ADMINISTRATOR
    ),
    Code.UNAVAILABLE: Denial(
        (Gate.LOAD_ENTITLEMENTS, Gate.DISPATCH, Gate.EXECUTE),
        "The database does not answer. Nothing was done.",
        "Try again after `retry_after`.",
        Helper.NOBODY,
    ),
    Code.UNKNOWN_TOOL: Denial(
        (Gate.VERIFY_CONNECTOR_ENTITLEMENT,),
        "There is no such tool for this caller.",
        "Take a name from `tools/list`.",
        Helper.CALLER,
    ),
    Code.CONNECTOR_NOT_ENTITLED: Denial(
        (Gate.VERIFY_CONNECTOR_ENTITLEMENT,),
        "The plan does not include this connector.",
        "Have the plan changed.",
        Helper.ADMINISTRATOR,
    ),
    Code.INSTANCE_NOT_READY: Denial(
        (Gate.VERIFY_INSTANCE_READINESS, Gate.EXECUTE),
        "The connection is not active and healthy, or does not serve this customer.",
        "Look at the connection's page or at Why not?; the refusal names what is missing.",
        Helper.ADMINISTRATOR,
    ),
    Code.OWN_CREDENTIAL_REQUIRED: Denial(
        (Gate.VERIFY_INSTANCE_READINESS,),
        "The connection reaches only customers with a credential of their own, and this one has none.",
        "Enter one under the connection's clients.",
        Helper.ADMINISTRATOR,
    ),
    Code.OWN_CREDENTIAL_NOT_READY: Denial(
        (Gate.VERIFY_INSTANCE_READINESS,),
        "The customer's own credential is refused, over, failing or not checked, and no other is used in its place.",
        "Mend or replace it under the connection's clients.",
        Helper.ADMINISTRATOR,
    ),
    Code.POLICY_DENIED: Denial(
        (Gate.EVALUATE_POLICY,),
        "No role of the caller may run this tool for this customer, or a rule of the tool policy refuses it.",
        "Have the permission or the rule that the refusal names changed.",
        Helper.ADMINISTRATOR,
    ),
    Code.INSUFFICIENT_SCOPE: Denial(
        (Gate.EVALUATE_POLICY,),
        "The token was not given the scope for this tool (HTTP 403 and a challenge).",
        "Have the client ask for the scopes of the challenge.",
        Helper.CALLER,
    ),
    Code.INVALID_ARGUMENTS: Denial(
        (Gate.EVALUATE_POLICY, Gate.CHECK_APPROVAL),
        "The arguments do not fit the tool.",
        "Mend each argument that the refusal names.",
        Helper.CALLER,
    ),
    Code.QUOTA_EXHAUSTED: Denial(
        (Gate.CHECK_QUOTA,),
        "The included calls of this month are used, and the plan has no overage.",
        "Wait for the next month, or have the plan changed.",
        Helper.ADMINISTRATOR,
    ),
    Code.CUSTOMER_LIMIT_REACHED: Denial(
        (Gate.CHECK_QUOTA,),
        "The customer's own limit of calls in a month is used up, whatever the plan still has.",
        "Wait for the next month, or have the limit raised in the portal, under Limits.",
        Helper.ADMINISTRATOR,
    ),
    Code.RATE_LIMITED: Denial(
        (Gate.CHECK_QUOTA,),
        "More calls in a short time than the plan allows, or than the customer's own limit does.",
        "Wait `retry_after`. A customer's own limit can be raised in the portal, under Limits.",
        Helper.NOBODY,
    ),
    Code.RISKY_TOOLS_PAUSED: Denial(
        (Gate.VERIFY_INSTANCE_READINESS, Gate.EXECUTE),
        "Nobody knows what became of an earlier call, so nothing is changed through this connection; reading goes on.",
        "Look at the vendor, then resume the connection in the portal.",
        Helper.ADMINISTRATOR,
    ),
    Code.TOOL_SUSPENDED: Denial(
        (Gate.VERIFY_INSTANCE_READINESS, Gate.EXECUTE),
        "The vendor has answered this tool with rows of other customers; other tools go on.",
        "Look at the vendor, then resume the tool in the portal.",
        Helper.ADMINISTRATOR,
    ),
    Code.APPROVAL_REQUIRED: Denial(
        (Gate.CHECK_APPROVAL,),
        "People have to agree; the request waits under `approval_request`.",
        "Have it approved, then make the same call again: it runs once.",
        Helper.DECIDERS,
    ),
    Code.CONFIRMATION_REQUIRED: Denial(
        (Gate.CHECK_APPROVAL,),
        "The caller has to say yes itself; its client was given the question instead of a result.",
        "Answer the question: the same call, with the answer, runs once.",
        Helper.CALLER,
    ),
    Code.APPROVAL_REJECTED: Denial(
        (Gate.CHECK_APPROVAL,),
        "People have said no; the refusal says who and why.",
        "Ask for something else. The same may be asked anew after an hour.",
        Helper.CALLER,
    ),
    Code.APPROVAL_VOID: Denial(
        (Gate.CHECK_APPROVAL, Gate.EXECUTE),
        "What was approved is not what would run now, or too few stand behind it by now.",
        "Make the same call again: it asks anew.",
        Helper.DECIDERS,
    ),
    Code.NOT_RECORDED: Denial(
        (Gate.EXECUTE,),
        "The call that reached the broker is not the one that was recorded when it was let through. Nothing was sent.",
        "Make the same call again; the provider looks at who can write to the database.",
        Helper.PROVIDER,
    ),
    Code.AUDIT_UNAVAILABLE: Denial(
        (Gate.DISPATCH, Gate.EXECUTE),
        "The log cannot be written, or is not being sealed. Nothing was sent.",
        "Try again in a moment; if it stays, the provider looks at the sealer.",
        Helper.PROVIDER,
    ),
    Code.BUSY: Denial(
        (Gate.DISPATCH, Gate.EXECUTE),
        "The queue is away, or too many calls wait. Nothing was sent.",
        "Try again after `retry_after`.",
        Helper.NOBODY,
    ),
    Code.CANCELLED: Denial(
        (Gate.DISPATCH,), "The client left before the call was sent. Nothing was sent.", "Call again.", Helper.CALLER
    ),
    Code.ALREADY_DONE: Denial(
        (Gate.DISPATCH,),
        "The change was made by an earlier call under the same name. Nothing was sent again.",
        "Nothing: look at the call that the refusal names.",
        Helper.CALLER,
    ),
    Code.ALREADY_RUNNING: Denial(
        (Gate.DISPATCH,),
        "A call under the same name is on its way. Nothing was sent again.",
        "Ask again after `retry_after`.",
        Helper.NOBODY,
    ),
    Code.KEY_REUSED: Denial(
        (Gate.DISPATCH,),
        "A call with other arguments was made under this name. Nothing was sent.",
        "Name each change differently.",
        Helper.CALLER,
    ),
    Code.OUTCOME_UNKNOWN: Denial(
        (Gate.DISPATCH, Gate.EXECUTE, Gate.RETURN_RESULT),
        "Nobody knows whether the vendor has done it.",
        "Look at the vendor before trying again.",
        Helper.CALLER,
    ),
}

_REMEDIES: Mapping[str, tuple[str, Helper]] = {
    "arguments_invalid": ("Mend the arguments.", Helper.CALLER),
    "connector_fault": ("Have the operator look at the broker's log.", Helper.PROVIDER),
    "description_too_large": ("Say which paths of the description are wanted.", Helper.ADMINISTRATOR),
    "description_unreadable": ("Give a description in JSON or plain YAML.", Helper.ADMINISTRATOR),
    "description_version": ("Convert the description to OpenAPI 3.0 or 3.1.", Helper.ADMINISTRATOR),
    "not_found": ("Ask for something else.", Helper.CALLER),
    "output_blocked": ("Look at what the vendor answers; change the credential there.", Helper.ADMINISTRATOR),
    "scope_violation": ("Have the operator look at the broker's log.", Helper.PROVIDER),
    "host_action_failed": ("Look at the host: it keeps what the command said.", Helper.ADMINISTRATOR),
    "secret_refused": ("Look at the alert, then enter the credential again.", Helper.ADMINISTRATOR),
    "tool_changed": ("Review the tool on the connection's page.", Helper.ADMINISTRATOR),
    "withheld": ("Nothing: a dry run sends no change.", Helper.NOBODY),
    "vendor_address_refused": ("Mend the address of the connection.", Helper.ADMINISTRATOR),
    "vendor_forbidden": ("Give the credential the right at the vendor.", Helper.ADMINISTRATOR),
    "vendor_unauthorized": ("Enter a credential that the vendor accepts.", Helper.ADMINISTRATOR),
}
_LATER = ("Try again after `retry_after`, or later.", Helper.NOBODY)
_LOOK = ("Look at the call's requests in the portal, and at the vendor.", Helper.ADMINISTRATOR)


def of_execution(code: str) -> Denial:
    """What the vendor, or the narrowing, has refused."""
    remedy, by = _REMEDIES.get(code) or (_LATER if code in RETRYABLE else _LOOK)
    return Denial(_EXECUTE, MESSAGES[code], remedy, by)


DENIALS: Mapping[str, Denial] = {
    **{code.value: denial for code, denial in OF_GATES.items()},
    **{code: of_execution(code) for code in MESSAGES},
}


def remedy_of(code: str) -> str | None:
    denial = DENIALS.get(code)
    return denial.remedy if denial else None


def as_markdown() -> str:
    """The table of docs/refusals.md."""
    head = ["| code | gate | means | what helps | who can |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(code, denial) for code, denial in DENIALS.items()), ""])


def _row(code: str, denial: Denial) -> str:
    gates = ", ".join(gate.value for gate in denial.gates)
    return f"| `{code}` | {gates} | {denial.means} | {denial.remedy} | {denial.by} |"
