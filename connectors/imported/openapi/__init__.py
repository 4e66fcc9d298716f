"""Any OpenAPI description: read, taken apart into operations, and each of them called as it was reviewed."""
