"""The suite's tools. Each is a function of the call's context and parameters; names and texts are the suite's."""

import json
from typing import Any

import anyio
import mcp_types as t
from mcp.shared.exceptions import MCPError

from tests.conformance.asking import ASKING
from tests.conformance.content import answer, ask, audio, embedded, form, image, said_in, sample, text
from tests.conformance.jobs import ANYTHING, JOBS

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", **ADDRESS}},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADER = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


async def simple_text(context, params):
    return answer(text("This is a simple text response for testing."))


async def image_content(context, params):
    return answer(image())


async def audio_content(context, params):
    return answer(audio())


async def embedded_resource(context, params):
    return answer(embedded("test://embedded-resource"))


async def multiple_content_types(context, params):
    mixed = embedded("test://mixed-content-resource", '{"test": "data"}', "application/json")
    return answer(text("Multiple content types test:"), image(), mixed)


async def error_handling(context, params):
    return answer(text("This tool intentionally returns an error for testing"), failed=True)


async def tool_with_progress(context, params):
    for step in (0, 50, 100):
        await context.session.report_progress(step, 100, f"Completed step {step} of 100")
        await anyio.sleep(0.02)
    return answer(text("Done, with progress."))


async def tool_with_logging(context, params):
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", said, related_request_id=context.request_id)
        await anyio.sleep(0.02)
    return answer(text("Done, with logs."))


async def logging_tool(context, params):
    await context.session.send_log_message("info", "ran", related_request_id=context.request_id)
    return answer(text("Logged where that was asked for."))


async def missing_capability(context, params):
    capabilities = context.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling", needed)
    return answer(text("The client can sample."))


async def x_mcp_header(context, params):
    return answer(text(f"region={(params.arguments or {}).get('region', '')}"))


async def json_schema(context, params):
    return answer(text("json_schema_2020_12_tool"))


async def streaming_elicitation(context, params):
    if params.input_responses:
        return answer(text("Thank you."))
    return ask(word=form("A word, please", response="string"))


async def asks_for_a_name(context, params):
    given = (params.input_responses or {}).get("user_name")
    if given is None:
        return ask(user_name=form("What is your name?", name="string"))
    return answer(text(f"Hello, {said_in(given, 'name')}!"))


async def asks_the_model(context, params):
    given = (params.input_responses or {}).get("capital_question")
    if given is None:
        return ask(capital_question=sample("What is the capital of France?"))
    return answer(text(f"The model said: {getattr(given.content, 'text', '')}"))


async def asks_for_roots(context, params):
    given = (params.input_responses or {}).get("client_roots")
    if given is None:
        return ask(client_roots=t.ListRootsRequest())
    return answer(text(f"{len(given.roots)} roots"))


async def asks_with_state(context, params):
    if (params.input_responses or {}).get("confirm") is None or params.request_state is None:
        return ask("waits-for-confirm", confirm=form("Please confirm", ok="boolean"))
    return answer(text(f"state-ok: {params.request_state}"))


async def asks_for_everything(context, params):
    questions = {
        "user_name": form("What is your name?", name="string"),
        "greeting": sample("Generate a greeting"),
        "client_roots": t.ListRootsRequest(),
    }
    if questions.keys() <= (params.input_responses or {}).keys():
        return answer(text("All inputs received."))
    return ask("everything", **questions)


async def asks_in_rounds(context, params):
    given, state = params.input_responses or {}, json.loads(params.request_state or "{}")
    if state.get("round") == 1 and "step1" in given:
        after = json.dumps({"round": 2, "name": said_in(given["step1"], "name")})
        return ask(after, step2=form("Step 2: which colour?", color="string"))
    if state.get("round") == 2 and "step2" in given:
        return answer(text(f"{state['name']} likes {said_in(given['step2'], 'color')}."))
    return ask(json.dumps({"round": 1}), step1=form("Step 1: what is your name?", name="string"))


async def asks_what_the_client_can(context, params):
    can = context.session.client_capabilities
    questions: dict[str, Any] = {}
    if can is None or can.sampling is not None:
        questions["sample"] = sample("Say hello")
    if can is None or can.elicitation is not None:
        questions["ask"] = form("What is your name?", name="string")
    return ask("capable", **questions)


_NAMED = {
    "audio_content": audio_content,
    "embedded_resource": embedded_resource,
    "error_handling": error_handling,
    "image_content": image_content,
    "input_required_result_capabilities": asks_what_the_client_can,
    "input_required_result_elicitation": asks_for_a_name,
    "input_required_result_list_roots": asks_for_roots,
    "input_required_result_multi_round": asks_in_rounds,
    "input_required_result_multiple_inputs": asks_for_everything,
    "input_required_result_request_state": asks_with_state,
    "input_required_result_sampling": asks_the_model,
    "input_required_result_tampered_state": asks_with_state,
    "logging_tool": logging_tool,
    "missing_capability": missing_capability,
    "multiple_content_types": multiple_content_types,
    "simple_text": simple_text,
    "streaming_elicitation": streaming_elicitation,
    "tool_with_logging": tool_with_logging,
    "tool_with_progress": tool_with_progress,
    "x_mcp_header": x_mcp_header,
}
TOOLS = {f"test_{name}": run for name, run in _NAMED.items()} | {"json_schema_2020_12_tool": json_schema}
SCHEMAS = dict.fromkeys((*JOBS, *ASKING), ANYTHING) | {
    "test_x_mcp_header": HEADER,
    "json_schema_2020_12_tool": SCHEMA_2020_12,
}


def described(name: str) -> t.Tool:
    return t.Tool(name=name, description="A fixture of the conformance suite.", input_schema=schema(name))


def schema(name: str) -> dict[str, Any]:
    return SCHEMAS.get(name, NO_ARGUMENTS)
