"""Our server with the suite's fixtures: tools beside ours, and the prompts and resources that ours has not."""

import json
import re
from functools import partial
from typing import Any

import mcp_types as t
from django.conf import settings
from mcp.shared.exceptions import MCPError

from msplex.gateway.asking import EVENTS
from msplex.gateway.server import caller_of, input_schema, make_server
from msplex.gateway.streams import ring
from tests.conformance.asking import ASKING
from tests.conformance.content import IMAGE, PRIVATE, answer, ask, embedded, form, image, said_in, text
from tests.conformance.jobs import JOBS, Jobs
from tests.conformance.tools import TOOLS, described, schema

TEXT, BINARY, TEMPLATE = "test://static-text", "test://static-binary", "test://template/{id}/data"
_TEMPLATE = re.compile(r"test://template/([^/]+)/data")
_ARGUMENTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


def _argument(name: str) -> t.PromptArgument:
    return t.PromptArgument(name=name, description="Given back.", required=True)


def refuse_production() -> None:
    if settings.PRODUCTION or settings.MSPLEX_ENV not in {"demo", "test"}:
        raise SystemExit("The fixtures of the conformance suite are for tests, and this is an installation.")


class Fixtures:
    def __init__(self, handlers: Any) -> None:
        self._handlers = handlers
        self._changes = 0
        self._jobs = Jobs()
        handlers.tasks.append(self._jobs)
        self.listeners: set[Any] = set()
        handlers.streams._names = self._names  # a stream compares the list as it is shown

    async def _names(self, caller: Any) -> tuple[str, ...]:
        return (*await self._handlers.names(caller), *self._shown())

    def _shown(self) -> list[str]:
        return [*TOOLS, *JOBS, *ASKING, "test_trigger_tool_change", "test_trigger_prompt_change"] + ["test_dynamic"] * (
            self._changes % 2
        )

    async def list_tools(self, context: Any, params: Any) -> t.ListToolsResult:
        ours = await self._ours["tools/list"](context, params)
        return ours.model_copy(update={"tools": [*ours.tools, *map(described, self._shown())]})

    async def call_tool(self, context: Any, params: Any) -> Any:
        if params.name in TOOLS:
            return await TOOLS[params.name](context, params)
        if params.name in ASKING:
            events = context.request.scope[EVENTS]
            ask = partial(self._handlers.questions.put, caller_of(context), events)
            return await ASKING[params.name](ask, params.arguments or {})
        if params.name in JOBS:
            return await JOBS[params.name](context, params, self._jobs)
        if params.name == "test_trigger_tool_change":
            self._changes += 1
            ring(caller_of(context).claims.tenant_id)
            return answer(text("The list of tools has changed."))
        return await self._ours["tools/call"](context, params)

    async def list_prompts(self, context: Any, params: Any) -> t.ListPromptsResult:
        prompts = [
            t.Prompt(name=name, description="A fixture.", arguments=list(map(_argument, arguments)))
            for name, arguments in _ARGUMENTS.items()
        ]
        return t.ListPromptsResult(prompts=prompts, **PRIVATE)

    async def get_prompt(self, context: Any, params: Any) -> Any:
        given = params.arguments or {}
        match params.name:
            case "test_simple_prompt":
                content = [text("This is a simple prompt for testing.")]
            case "test_prompt_with_arguments":
                content = [text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")]
            case "test_prompt_with_embedded_resource":
                content = [embedded(given.get("resourceUri", "")), text("Please process the resource above.")]
            case "test_prompt_with_image":
                content = [image(), text("Please analyze the image above.")]
            case "test_input_required_result_prompt":
                told = (params.input_responses or {}).get("user_context")
                if told is None:
                    return ask(user_context=form("Which context?", context="string"))
                content = [text(f"Use this context: {said_in(told, 'context')}")]
            case _:
                raise MCPError(t.INVALID_PARAMS, "Unknown prompt")
        return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=each) for each in content])

    async def list_resources(self, context: Any, params: Any) -> t.ListResourcesResult:
        names = {TEXT: "static-text", BINARY: "static-binary", "test://watched-resource": "watched"}
        return t.ListResourcesResult(
            resources=[t.Resource(uri=uri, name=name) for uri, name in names.items()], **PRIVATE
        )

    async def list_templates(self, context: Any, params: Any) -> t.ListResourceTemplatesResult:
        found = t.ResourceTemplate(uri_template=TEMPLATE, name="template", mime_type="application/json")
        return t.ListResourceTemplatesResult(resource_templates=[found], **PRIVATE)

    async def read_resource(self, context: Any, params: Any) -> t.ReadResourceResult:
        uri = str(params.uri)
        template = _TEMPLATE.fullmatch(uri)
        if uri == BINARY:
            found: Any = t.BlobResourceContents(uri=uri, mime_type="image/png", blob=IMAGE)
        elif template:
            said = json.dumps({"id": template[1], "templateTest": True, "data": f"Data for ID: {template[1]}"})
            found = t.TextResourceContents(uri=uri, mime_type="application/json", text=said)
        elif uri in {TEXT, "test://watched-resource"}:
            found = t.TextResourceContents(uri=uri, mime_type="text/plain", text="The content of a static resource.")
        else:
            raise MCPError(t.INVALID_PARAMS, "Resource not found", {"uri": uri})
        return t.ReadResourceResult(contents=[found], **PRIVATE)

    async def complete(self, context: Any, params: Any) -> t.CompleteResult:
        return t.CompleteResult(completion=t.Completion(values=[], total=0, has_more=False))

    async def nothing(self, context: Any, params: Any) -> t.EmptyResult:
        return t.EmptyResult()

    def add_to(self, server: Any) -> None:
        self._ours = {name: server.get_request_handler(name).handler for name in ("tools/list", "tools/call")}
        for method, params, handler in (
            ("tools/list", t.PaginatedRequestParams, self.list_tools),
            ("tools/call", t.CallToolRequestParams, self.call_tool),
            ("prompts/list", t.PaginatedRequestParams, self.list_prompts),
            ("prompts/get", t.GetPromptRequestParams, self.get_prompt),
            ("resources/list", t.PaginatedRequestParams, self.list_resources),
            ("resources/templates/list", t.PaginatedRequestParams, self.list_templates),
            ("resources/read", t.ReadResourceRequestParams, self.read_resource),
            ("resources/subscribe", t.SubscribeRequestParams, self.nothing),
            ("resources/unsubscribe", t.UnsubscribeRequestParams, self.nothing),
            ("completion/complete", t.CompleteRequestParams, self.complete),
            ("logging/setLevel", t.SetLevelRequestParams, self.nothing),
        ):
            server.add_request_handler(method, params, handler)
        server.get_tool_input_schema = lambda name: (
            schema(name) if name in {*TOOLS, *JOBS, *ASKING} else input_schema(name)
        )


def with_fixtures(handlers: Any) -> Any:
    server = make_server(handlers)
    Fixtures(handlers).add_to(server)
    return server
