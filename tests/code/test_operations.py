"""What is said and counted: listed by hand, so that somebody has looked at each."""

import ast
import re

from connectors.catalogue import all_connectors
from connectors.metrics import CONNECTORS
from msplex.metrics import calls  # noqa: F401 - declares its metrics
from msplex.metrics.readings import NAMES
from tenants.counting import METRICS
from tests.code.test_house_style import CODE, ROOT, name_of

# Every argument of a line of ours. A new one is entered here once somebody has seen that it is an id, a number, or a
# word or sentence that stands in our code; exceptions are reduced to their type.
SAID = {
    "'; '.join(map(str, wrong[:SAID]))", "LONGEST_SECONDS", "NAME", "_line(error)", "_memory() // 2 ** 20", "action",
    "approval.refused", "boot", "call", "call.id", "call.state", "call_id", "counted", "credential.id",
    "done.log.tenant", "error", "error.code", "event", "event.pk", "file.pk", "found.trouble", "gap", "instance.id",
    "job.call.id", "list(lost[:20])", "pack.pk", "place", "problem", "purpose.value", "question", "refusal",
    "refusal.code", "refused",
    "request.pack_id", "route_of(request)", "row.id", "row.pk", "row.purpose", "self.credential", "tenant", "tenant_id",
    "trouble", "type(context.get('view')).__name__", "type(error).__name__", "type(refused).__name__",
    "type(view).__name__", "why",
}  # fmt: skip


def test_every_argument_of_our_own_lines_has_been_looked_at():
    found = {}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                first = 2 if ast.unparse(node.func) == "logger.log" else 1
                found |= {ast.unparse(each): f"{name_of(path)}:{node.lineno}" for each in node.args[first:]}

    assert {text: where for text, where in found.items() if text not in SAID} == {}
    assert SAID - found.keys() == set()


def test_every_connector_is_listed():
    assert sorted(CONNECTORS) == sorted(connector.key for connector in all_connectors())


def test_every_metric_is_documented_and_nothing_else():
    document = (ROOT / "docs" / "operating.md").read_text()
    rows = [line.split("|")[1:4] for line in document.splitlines() if line.startswith(("| `msplex_", "| `process_"))]
    documented = {name: labels for names, _, labels in rows for name in re.findall(r"`([a-z_]+)`", names)}

    known = {metric.name: metric.labels for metric in METRICS} | {name: () for name, _ in NAMES}
    assert documented.keys() == known.keys()
    for name, labels in known.items():
        assert all(f"`{label}`" in documented[name] for label in labels), name
