"""Several steps under one grant: tools of one connection with fixed arguments, done in this order by the host."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from approvals.binding import exact_text
from approvals.models import ApprovalRequest

MOST_STEPS = 10
STOP, CONTINUE = "stop", "continue"
ON_FAILURE = (STOP, CONTINUE)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """`tool_digest`: of what the tool was declared as when it was asked for."""

    tool: str
    arguments: Mapping[str, Any]
    tool_digest: str


@dataclasses.dataclass(frozen=True, slots=True)
class Playbook:
    """Two steps or more. `on_failure`: whether the others are done when one has failed, or is of unknown outcome."""

    steps: tuple[Step, ...]
    on_failure: str = STOP

    def as_json(self) -> dict[str, Any]:
        """A part of the terms that people approve; arguments as exact text, which the database leaves as it is."""
        steps = [
            {"arguments": exact_text(each.arguments), "tool": each.tool, "tool_digest": each.tool_digest}
            for each in self.steps
        ]
        return {"on_failure": self.on_failure, "steps": steps}


def steps_of(request: ApprovalRequest) -> Sequence[Step]:
    """What would be done; of a call or a grant for one tool, that."""
    told = request.terms.get("steps")
    if not told:
        return [Step(request.tool, request.arguments, request.tool_digest)]
    return [Step(each["tool"], json.loads(each["arguments"]), each["tool_digest"]) for each in told]


def signed_steps(request: ApprovalRequest) -> dict[str, Any]:
    """Of the claims of a grant (docs/grants.md); nothing for a grant of one step."""
    if "steps" not in request.terms:
        return {}
    slug = request.instance.slug
    steps = [{"arguments": each["arguments"], "tool": f"{slug}_{each['tool']}"} for each in request.terms["steps"]]
    return {"on_failure": request.terms["on_failure"], "steps": steps, "v": 2}
