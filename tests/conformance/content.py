"""Content of every kind, for the suite's tools, prompts and resources."""

from typing import Any

import mcp_types as t

# The smallest PNG and WAV there are.
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
AUDIO = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
PRIVATE: dict[str, Any] = {"ttl_ms": 0, "cache_scope": "private"}


def text(said: str) -> t.TextContent:
    return t.TextContent(type="text", text=said)


def image() -> t.ImageContent:
    return t.ImageContent(type="image", data=IMAGE, mime_type="image/png")


def audio() -> t.AudioContent:
    return t.AudioContent(type="audio", data=AUDIO, mime_type="audio/wav")


def embedded(uri: str, said: str = "Some embedded text.", kind: str = "text/plain") -> t.EmbeddedResource:
    return t.EmbeddedResource(type="resource", resource=t.TextResourceContents(uri=uri, mime_type=kind, text=said))


def answer(*content: Any, failed: bool = False) -> t.CallToolResult:
    return t.CallToolResult(content=list(content), is_error=failed)


def form(message: str, **properties: str) -> t.ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(said: str) -> t.CreateMessageRequest:
    message = t.SamplingMessage(role="user", content=text(said))
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[message], max_tokens=50))


def ask(state: str | None = None, **requests: Any) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=requests, request_state=state)


def said_in(response: Any, field: str) -> str:
    content = getattr(response, "content", None)
    return str(content.get(field, "")) if isinstance(content, dict) else ""
