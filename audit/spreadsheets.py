"""Cells that a spreadsheet takes for what they are: what begins like a formula stays text, numbers stay numbers."""

from decimal import Decimal

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def cell(value: object) -> object:
    """For csv.writer. A number that is text to us, such as -3 in a name, is text there too."""
    if value is None:
        return ""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text
