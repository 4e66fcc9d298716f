"""What the official MCP conformance suite expects beside the tools we have. Never part of an installation."""
