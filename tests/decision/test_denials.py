"""docs/refusals.md is what the code says.

To write it anew: MSPLEX_WRITE_DOCS=1 make test T=tests/decision/test_denials.py
"""

import os
from pathlib import Path

from connectors.errors import MESSAGES
from msplex.decision.denials import DENIALS, as_markdown
from msplex.decision.verdicts import Code

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"
HEAD = PAGE.read_text().partition("| code |")[0]


def test_every_refusal_is_in_the_catalogue() -> None:
    assert set(DENIALS) == {code.value for code in Code} | set(MESSAGES)
    assert all(denial.gates and denial.means and denial.remedy for denial in DENIALS.values())


def test_the_page_is_the_catalogue() -> None:
    if os.environ.get("MSPLEX_WRITE_DOCS"):
        PAGE.write_text(HEAD + as_markdown())

    assert PAGE.read_text() == HEAD + as_markdown()
