"""Which of several forms of a body is read or sent: JSON, and nothing else."""

import re
from collections.abc import Mapping
from typing import Any

from connectors.imported.openapi.inlining import Inliner

_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json\Z")
# A patch says in its values what it changes, so that no declaration of names could hold it.
_PATCH = "application/json-patch+json"
_ANY = ("*/*", "application/*")
PLAIN = "application/json"


def json_schema(inliner: Inliner, content: Any, *, takes_any: bool) -> tuple[str, Any]:
    """(media type, schema) of the form that is JSON; empty if there is none. `takes_any`: what is of any form too."""
    forms = {_plain(name): form for name, form in content.items()} if isinstance(content, Mapping) else {}
    fitting = [name for name in forms if _JSON.match(name) and name != _PATCH]
    fitting += [name for name in _ANY if name in forms and takes_any]
    for name in sorted(fitting, key=lambda each: each != PLAIN):
        if schema := inliner.part(forms[name]).get("schema"):
            return (PLAIN if name in _ANY else name), schema
    return "", None


def _plain(name: Any) -> str:
    return str(name).partition(";")[0].strip().lower()
