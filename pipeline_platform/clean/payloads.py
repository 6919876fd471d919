"""From the payload of a raw record to the row of its parser, or to words that say why there is none."""

import json
import reprlib
from collections.abc import Callable
from typing import Any

import orjson

from pipeline_platform.sources.errors import Malformed

Parse = Callable[[Any], dict[str, Any]]

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, Malformed)
"""What `parse` may raise for a broken payload. `OSError` and `OverflowError` come from `datetime.fromtimestamp`.
Anything else is a defect of the parser and is not caught."""

_representation = reprlib.Repr()
_representation.maxstring = _representation.maxother = _representation.maxlong = 80
_representation.maxlevel = 3


def shown(value: object) -> str:
    """`value` as a reason shows it: as in Python source (so without control characters), long ones shortened."""
    return _representation.repr(value)


def read_row(payload: str, parse: Parse) -> dict[str, Any]:
    """The row that `parse` gives for the JSON `payload`, at the price of looking closely.

    Payloads that orjson refuses though Python reads them (half a surrogate pair, numbers beyond a double) are read by
    Python; the values are judged later, column by column.

    Raises:
        Malformed: no row; the message names the field and the type of its value where they can be told.
    """
    try:
        record = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        try:
            record = json.loads(payload)
        except (ValueError, RecursionError):
            raise Malformed(f"the payload is not JSON: {error}") from None
    try:
        row = parse(record)
    except UNREADABLE as error:
        raise Malformed(_explain(record, parse, error)) from None
    if not isinstance(row, dict):
        raise Malformed(f"the parser gave {type(row).__name__} instead of a row for {shown(record)}")
    return row


def _explain(record: Any, parse: Parse, error: Exception) -> str:
    """Words for `error`: the parser's own where it raised Malformed, else with the field that it looked at last."""
    # A message may quote the payload: no half surrogate pair or U+0000 may get into a text column through it.
    said = " ".join(str(error).replace("\0", "").split())[:200].encode("utf-8", "backslashreplace").decode()
    if isinstance(error, Malformed):
        return said
    trail = _Trail()
    try:
        parse(_watched(record, "", trail))
    except UNREADABLE:
        place, value = trail.place, trail.value
    else:
        place, value = "", record
    if value is _MISSING:
        lack = f"field {place!r} is missing"
        return lack if isinstance(error, LookupError) else f"{lack}: {type(error).__name__}: {said}"
    field = f"field {place!r}" if place else "the record"
    return f"{field} is {type(value).__name__} {shown(value)}: {type(error).__name__}: {said}"


_MISSING = object()


class _Trail:
    """The field that a parser looked at last."""

    place: str = ""
    value: Any = _MISSING


class _WatchedDict(dict[str, Any]):
    def __init__(self, fields: dict[str, Any], place: str, trail: _Trail) -> None:
        super().__init__(fields)
        self._place, self._trail = place, trail
        trail.place, trail.value = place, fields

    def __getitem__(self, key: str) -> Any:
        value = super().get(key, _MISSING)
        self._trail.place = f"{self._place}.{key}" if self._place else str(key)
        self._trail.value = value
        if value is _MISSING:
            raise KeyError(key)
        return _watched(value, self._trail.place, self._trail)

    def get(self, key: str, default: Any = None) -> Any:
        if key in self:
            return self[key]
        self._trail.place = f"{self._place}.{key}" if self._place else str(key)
        self._trail.value = _MISSING
        return default


class _WatchedList(list[Any]):
    def __init__(self, items: list[Any], place: str, trail: _Trail) -> None:
        super().__init__(items)
        self._place, self._trail = place, trail
        trail.place, trail.value = place, items

    def __getitem__(self, index: Any) -> Any:
        try:
            value = super().__getitem__(index)
        except IndexError:
            self._trail.place, self._trail.value = f"{self._place}[{index}]", _MISSING
            raise
        return _watched(value, f"{self._place}[{index}]", self._trail)


def _watched(value: Any, place: str, trail: _Trail) -> Any:
    """`value`; a dict or list notes on `trail` which of its fields is read."""
    if type(value) is dict:
        return _WatchedDict(value, place, trail)
    if type(value) is list:
        return _WatchedList(value, place, trail)
    trail.place, trail.value = place, value
    return value
