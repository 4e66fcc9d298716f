"""What each MCP client has to be told to use this gateway. docs/gateway.md says what they do then."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

NAME = "msplex"


@dataclass(frozen=True, slots=True)
class Way:
    """`text` is what is typed, or the content of a file."""

    key: str
    name: str
    said: str
    text: str


def ways(gateway: str) -> list[Way]:
    command = f"claude mcp add --transport http {NAME} {shlex.quote(gateway)}"
    vs_code = {"servers": {NAME: {"type": "http", "url": gateway}}}
    cursor = {"mcpServers": {NAME: {"url": gateway}}}
    inspector = f"npx @modelcontextprotocol/inspector --cli {shlex.quote(gateway)} --transport http --method tools/list"
    return [
        Way("claude-code", "Claude Code", "In a shell; then /mcp in Claude Code signs you in.", command),
        Way("vs-code", "VS Code", "As .vscode/mcp.json of a workspace.", json.dumps(vs_code, indent=2)),
        Way("claude-ai", "claude.ai", "Settings, Connectors, Add custom connector; no client id.", gateway),
        Way("cursor", "Cursor and others", "As .cursor/mcp.json, or its own file.", json.dumps(cursor, indent=2)),
        Way(
            "inspector", "MCP Inspector", 'In a shell, with --header "Authorization: Bearer …" of a service account.',
            inspector,
        ),
    ]  # fmt: skip


def is_reachable(gateway: str) -> bool:
    """From elsewhere, and safely."""
    parts = urlsplit(gateway)
    return parts.scheme == "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}
