"""What people are told, and how: an outbox over the sealed log, a centre, channels (docs/notifications.md)."""
