"""What reviewers would otherwise have to say again and again."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from msplex.environment import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("tenants", "audit", "identity", "billing", "connectors", "approvals", "msplex")
SOURCES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py"))
CODE = [path for path in SOURCES if "migrations" not in path.parts]
STYLES = sorted((ROOT / "static" / "css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 50, 5
# Tables of data and settings are as long as what they list; the verifier and the host agent are one file each, because
# somebody else's machine carries them alone.
EXEMPT_FROM_LENGTH = {
    "msplex/settings.py", "identity/matrix.py", "audit/verifier/msplex_verify.py", "approvals/agent/msplex_agent.py",
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in [*CODE, *STYLES]}

    assert [name for name, length in lengths.items() if length > LONGEST_FILE and name not in EXEMPT_FROM_LENGTH] == []


def test_functions_are_short() -> None:
    long = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in CODE
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION
    ]

    assert long == []


def test_functions_take_few_positional_parameters() -> None:
    many = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in CODE
        for function in functions(path)
        if len([each for each in function.args.args if each.arg not in {"self", "cls"}]) > MOST_PARAMETERS
    ]

    assert many == []


def test_no_drawer_for_odds_and_ends() -> None:
    assert [name_of(path) for path in SOURCES if path.stem in {"utils", "helpers", "common", "misc"}] == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "NotImplementedError"])
def test_nothing_is_left_for_later(word: str) -> None:
    wanted = re.compile(rf"\b{word}\b")

    assert [name_of(path) for path in [*SOURCES, *TEMPLATES] if wanted.search(path.read_text())] == []


def test_templates_have_no_inline_script_or_style() -> None:
    inline = re.compile(r"<style\b|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=\"", re.IGNORECASE)

    assert [name_of(path) for path in TEMPLATES if inline.search(path.read_text())] == []


def test_every_variable_is_documented() -> None:
    documented = (ROOT / "docs" / "running.md").read_text()

    assert [name.upper() for name in Environment.model_fields if f"`{name.upper()}`" not in documented] == []


def test_every_command_is_documented() -> None:
    commands = [path.stem for path in SOURCES if path.parent.name == "commands" and path.stem != "__init__"]
    documents = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))

    assert [command for command in commands if command not in documents] == []


def shared_by_a_session(path: Path) -> Iterator[str]:
    for node in functions(path):
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if any("pytest.fixture" in text and "session" in text for text in decorators):
            yield node.name


def imported_from_tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tests"):
            yield from (alias.name for alias in node.names)


def test_what_a_session_shares_is_there_once() -> None:
    """An imported fixture is one more of it: a second broker at the queue of the first one took its calls."""
    tests = sorted((ROOT / "tests").rglob("*.py"))
    shared = {name for path in tests for name in shared_by_a_session(path)}

    assert shared
    assert {name_of(path): names for path in tests if (names := shared & set(imported_from_tests(path)))} == {}
