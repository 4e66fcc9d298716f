"""What the tree hashes of an event: its header, and the place that it has among the events of its customer."""

LABEL = b"msplex/entry/v1\0"


def entry(k: int, header: bytes) -> bytes:
    """Who sees the events of one customer sees k without gaps: none can be left out of what they are given."""
    return LABEL + k.to_bytes(8, "big") + header
