"""How a call gets from the gateway, where it was written down, to the broker process that runs it."""
