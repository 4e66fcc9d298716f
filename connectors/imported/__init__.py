"""Tools that a release does not know: of any MCP server, and of any OpenAPI description, declared by the tenant."""
