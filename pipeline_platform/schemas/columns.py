"""Column builders: every column of every table says its type, description, unit and rules in one line.

Types are Arrow types held in pandas, so that a frame goes to Delta and Parquet without conversion. A rule is a Pandera
check with a name; the name is what quarantine, check metadata and documentation call it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

TEXT = pd.ArrowDtype(arrow.string())
REAL = pd.ArrowDtype(arrow.float64())
INTEGER = pd.ArrowDtype(arrow.int64())
FLAG = pd.ArrowDtype(arrow.bool_())
STAMP = pd.ArrowDtype(arrow.timestamp("us", tz="UTC"))
DAY = pd.ArrowDtype(arrow.date32())
BYTES = pd.ArrowDtype(arrow.binary())
TEXTS = pd.ArrowDtype(arrow.list_(arrow.string()))
REALS = pd.ArrowDtype(arrow.list_(arrow.float64()))


def _column(
    dtype: pd.ArrowDtype, description: str, unit: str | None, nullable: bool, checks: Sequence[pa.Check]
) -> pa.Column:
    metadata: dict[str, Any] = {"unit": unit} if unit else {}
    return pa.Column(dtype, checks=list(checks), nullable=nullable, description=description, metadata=metadata)


def text(description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    """A UTF-8 string."""
    return _column(TEXT, description, None, nullable, checks)


def texts(description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    """A list of strings."""
    return _column(TEXTS, description, None, nullable, checks)


def reals(description: str, *checks: pa.Check, unit: str | None = None, nullable: bool = False) -> pa.Column:
    """A list of 64-bit floats."""
    return _column(REALS, description, unit, nullable, checks)


def real(description: str, *checks: pa.Check, unit: str | None = None, nullable: bool = True) -> pa.Column:
    """A 64-bit float."""
    return _column(REAL, description, unit, nullable, checks)


def integer(description: str, *checks: pa.Check, unit: str | None = None, nullable: bool = True) -> pa.Column:
    """A 64-bit integer."""
    return _column(INTEGER, description, unit, nullable, checks)


def packed(description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    """Bytes that only the platform itself reads."""
    return _column(BYTES, description, None, nullable, checks)


def flag(description: str, *, nullable: bool = False) -> pa.Column:
    """True or false."""
    return _column(FLAG, description, None, nullable, ())


def stamp(description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    """A moment in UTC with microseconds."""
    return _column(STAMP, description, "UTC", nullable, checks)


def day(description: str = "UTC day of the event; the partition.", *, nullable: bool = False) -> pa.Column:
    """A UTC calendar day."""
    return _column(DAY, description, "UTC", nullable, ())


def days_of(column: pd.Series) -> np.ndarray:
    """A column of days as `datetime64[D]`, without an object for each (pandas makes one)."""
    return arrow.array(column, arrow.date32()).cast(arrow.int32()).to_numpy(zero_copy_only=False).astype("M8[D]")


def not_blank() -> pa.Check:
    """The text has a character that is not white space."""
    return pa.Check(lambda values: values.str.strip().str.len() > 0, name="not_blank", error="must not be blank")


def at_least(minimum: float, rule: str) -> pa.Check:
    """Not below `minimum`; nulls pass."""
    return pa.Check.ge(minimum, name=rule, error=f"must be at least {minimum}")


def above(minimum: float, rule: str) -> pa.Check:
    """Above `minimum`; nulls pass."""
    return pa.Check.gt(minimum, name=rule, error=f"must be above {minimum}")


def between(low: float, high: float, rule: str) -> pa.Check:
    """Within `[low, high]`; nulls pass."""
    return pa.Check.in_range(low, high, name=rule, error=f"must lie in [{low}, {high}]")


def one_of(values: Sequence[str], rule: str) -> pa.Check:
    """One of the allowed values; nulls pass."""
    return pa.Check.isin(list(values), name=rule, error=f"must be one of {', '.join(values)}")
