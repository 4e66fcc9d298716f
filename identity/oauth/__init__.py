"""The authorization server for people's MCP clients: django-oauth-toolkit over the tenant's tables."""
