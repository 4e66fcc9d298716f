"""Refusals of the authorization server, before or beside those of oauthlib."""


class MetadataRefused(Exception):
    """What a client says of itself is not acceptable (RFC 7591 3.2.2)."""

    def __init__(self, description: str, code: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.description = description
        self.code = code


class DocumentRefused(Exception):
    """A client id metadata document cannot be had. The reason is for the log; to the client it is an unknown client."""
