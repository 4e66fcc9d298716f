"""What the processes say, and what they do not."""
