"""The suite's tools that ask the client of a handshake revision in the middle of a call, in the suite's words."""

import json
from typing import Any

from tests.conformance.content import answer, text

DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
OPTIONS = [{"const": f"value{number}", "title": f"{word} Option"} for number, word in enumerate(("First", "Second"), 1)]
CHOICES = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {"type": "string", "oneOf": OPTIONS},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {"type": "array", "items": {"anyOf": OPTIONS}},
}
ADDRESS = {
    "username": {"type": "string", "description": "User's response"},
    "email": {"type": "string", "description": "User's email address"},
}


async def _form(ask, message: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return (await ask("elicitation/create", {"message": message, "requestedSchema": schema}))["result"]


async def elicitation(ask, given):
    said = await _form(ask, given.get("message", ""), ADDRESS, *ADDRESS)
    return answer(text(f"User response: action: {said['action']}, content: {json.dumps(said.get('content'))}"))


async def defaults(ask, given):
    return _completed(await _form(ask, "What is right?", DEFAULTS))


async def enums(ask, given):
    return _completed(await _form(ask, "Which?", CHOICES))


def _completed(said):
    return answer(text(f"Elicitation completed: action={said['action']}, content={json.dumps(said.get('content'))}"))


async def sampling(ask, given):
    message = {"role": "user", "content": {"type": "text", "text": given.get("prompt", "")}}
    said = (await ask("sampling/createMessage", {"messages": [message], "maxTokens": 100}))["result"]
    return answer(text(f"LLM response: {said['content']['text']}"))


ASKING = {
    "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": defaults,
    "test_elicitation_sep1330_enums": enums,
    "test_sampling": sampling,
}
