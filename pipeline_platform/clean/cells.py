"""Columns from the values of parsers: as a whole where every value fits, cell by cell where one does not.

What counts as fitting is strict, since Arrow is not: left alone it would read True as 1.0, cut 1.5 to 1, take a bare
number for a moment and a naive time for UTC. The conversions that are made on purpose:

- a whole float becomes an integer (JSON has one type of number); an integer becomes a float;
- a moment in another zone becomes UTC;
- in texts, U+0000 is dropped (PostgreSQL cannot keep it) and half a surrogate pair becomes U+FFFD (UTF-8 has none).

Everything else is a misfit: numbers and booleans for one another, numbers in quotes, fractions and numbers beyond
64 bits as integers, NaN and infinity, naive times, times before the year 1, lists with items that are not text.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.clean.payloads import shown


class MisfitError(ValueError):
    """The value is not of the type of its column."""


def _misfit(value: object, wanted: str) -> MisfitError:
    return MisfitError(f"{type(value).__name__} {shown(value)} is not {wanted}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _misfit(value, "a text")
    value = value.replace("\0", "")
    # Two halves written as two escapes are one character; a half that is left over is none.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise _misfit(value, "a whole number")
    if not -(2**63) <= value < 2**63:
        raise _misfit(value, "within 64 bits")
    return int(value)


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _misfit(value, "a number")
    try:
        number = float(value)
    except OverflowError:
        raise _misfit(value, "within the range of a double") from None
    if not math.isfinite(number):
        raise _misfit(value, "a finite number")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _misfit(value, "true or false")
    return value


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _misfit(value, "a moment")
    if value.tzinfo is None:
        raise _misfit(value, "a moment with a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise _misfit(value, "within the years 1 to 9999") from None


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _misfit(value, "a list of texts")
    return [_text(item) for item in value]


def _no_null_byte(values: arrow.Array) -> bool:
    return not pc.any(pc.match_substring(values, "\0"), min_count=0).as_py()


def _all_finite(values: arrow.Array) -> bool:
    return bool(pc.all(pc.is_finite(values), min_count=0).as_py())


def _anything(_values: arrow.Array) -> bool:
    return True


@dataclass(frozen=True)
class _Reader:
    """How values of an Arrow type are read.

    Attributes:
        python: the types of values that Arrow reads as meant; empty when every cell has to be looked at.
        settled: False when cells have to be looked at although Arrow could read them.
        cell: reads one value; raises MisfitError.
    """

    python: frozenset[type]
    cell: Callable[[Any], Any]
    settled: Callable[[arrow.Array], bool] = _anything


_MOMENT = arrow.timestamp("us", tz="UTC")
_READERS: dict[arrow.DataType, _Reader] = {
    arrow.string(): _Reader(frozenset({str}), _text, _no_null_byte),
    arrow.int64(): _Reader(frozenset({int}), _integer),
    arrow.float64(): _Reader(frozenset({int, float}), _real, _all_finite),
    arrow.bool_(): _Reader(frozenset({bool}), _flag),
    _MOMENT: _Reader(frozenset({datetime}), _moment),
    arrow.list_(arrow.string()): _Reader(frozenset(), _texts),
}


def read_column(values: list[Any], dtype: arrow.DataType) -> tuple[arrow.Array, dict[int, str]]:
    """`values` as an Arrow array, and by position what is wrong with those that do not fit (null in the array).

    Raises:
        KeyError: no table has columns of this type so far; add a reader.
    """
    reader = _READERS[dtype]
    types = set(map(type, values))
    types.discard(type(None))
    if not types:
        return arrow.nulls(len(values), dtype), {}
    if types <= reader.python and (dtype != _MOMENT or _all_utc(values)):
        try:
            array = arrow.array(values, type=dtype)
        except (arrow.ArrowInvalid, OverflowError, UnicodeEncodeError):
            # Half a surrogate pair, an integer beyond 64 bits, or one that a float cannot hold to the last digit.
            pass
        else:
            if reader.settled(array):
                return array, {}
    return _read_cells(values, dtype, reader.cell)


def _all_utc(values: list[datetime | None]) -> bool:
    return {value.tzinfo for value in values if value is not None} == {UTC}


def _read_cells(
    values: list[Any], dtype: arrow.DataType, cell: Callable[[Any], Any]
) -> tuple[arrow.Array, dict[int, str]]:
    cells: list[Any] = []
    misfits: dict[int, str] = {}
    for position, value in enumerate(values):
        try:
            cells.append(None if value is None else cell(value))
        except MisfitError as error:
            cells.append(None)
            misfits[position] = str(error)
    return arrow.array(cells, type=dtype), misfits
