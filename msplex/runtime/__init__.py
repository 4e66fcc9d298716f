"""What makes a checkout run: embedded servers, keys, the supervisor, and the commands behind the Makefile."""
