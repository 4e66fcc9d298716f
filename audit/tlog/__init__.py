"""Transparency-log formats: RFC 6962 trees, C2SP tiles, notes, checkpoints and proofs.

Values in, values out: nothing here knows of Django, the database or events.
"""
