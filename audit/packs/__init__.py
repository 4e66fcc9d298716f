"""A customer's month as files that can be checked without us: docs/verifying.md."""
