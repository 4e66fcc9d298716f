"""Real servers that take our messages, each started by the tests as a process of its own: one that can be killed."""
