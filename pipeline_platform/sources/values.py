"""Values of payloads, read as what they must be: a wrong type is an error and never becomes a row."""

from typing import Any

_INT64 = 2**63


def text(value: Any, field: str) -> str | None:
    """`value` if it is text or null; raises TypeError with the name of the field."""
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{field} must be text, not {type(value).__name__}")


def written(value: Any, field: str) -> str:
    """`value` if it is text; raises TypeError, or ValueError where it is null."""
    found = text(value, field)
    if found is None:
        raise ValueError(f"{field} is missing")
    return found


def integer(value: Any, field: str) -> int | None:
    """`value` if it is a whole number of 64 bits or null; raises TypeError or ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be a whole number, not {type(value).__name__}")
    if not -_INT64 <= value < _INT64:
        raise ValueError(f"{field} does not fit 64 bits")
    return value
