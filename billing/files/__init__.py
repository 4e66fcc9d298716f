"""Exports that take a while: made in the worker, piece by piece, kept for some days, taken with their digest."""
