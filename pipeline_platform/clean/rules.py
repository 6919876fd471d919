"""Which rows break which rules of a Pandera schema, in words, at the price of the rows that break one."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.clean.payloads import shown


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a record breaks, and the reason in words with the value."""

    rule: str
    reason: str


class SchemaCheckError(Exception):
    """A check could not be applied at all: the fault is in the schema or in the code that built the frame."""


def broken_rules(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> dict[int, list[Breach]]:
    """Every rule that rows of `frame` break, by row position, in the order of the schema.

    `frame` has a RangeIndex. Uniqueness of the key is not judged here: which of two rows is the better one is no
    property of a row.

    Raises:
        SchemaCheckError: a check fails as such, or a column is missing or of a wrong type.
    """
    try:
        _judging(schema).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        breaches: dict[int, list[Breach]] = {}
        for error in errors.schema_errors:
            for position, breach in _breaches(frame, error):
                breaches.setdefault(position, []).append(breach)
        return breaches
    return {}


def _judging(schema: pa.DataFrameSchema) -> pa.DataFrameSchema:
    """`schema` made to say only which rows fail: listing every failing cell costs 200 times as much."""
    judging = copy.deepcopy(schema)
    judging.unique = None
    for check in (*judging.checks, *(check for column in judging.columns.values() for check in column.checks)):
        check.n_failure_cases = 1
    return judging


def _breaches(frame: pd.DataFrame, error: pa.errors.SchemaError) -> Iterator[tuple[int, Breach]]:
    column = error.column_name if error.column_name in frame.columns else None
    if error.reason_code is pa.errors.SchemaErrorReason.SERIES_CONTAINS_NULLS and column:
        for position in frame.index[frame[column].isna()]:
            yield int(position), Breach("not_null", f"{column}: must not be null")
        return
    if error.reason_code is not pa.errors.SchemaErrorReason.DATAFRAME_CHECK or error.check_output is None:
        raise SchemaCheckError(f"{error.schema.name}: {error}") from error
    failed = ~error.check_output.fillna(True).astype(bool)
    rows = frame.loc[failed.index[failed]]
    says = error.check.error or error.check.name
    # A rule over several columns does not tell which ones; those that its words mention are the ones to show.
    words = set(re.findall(r"\w+", f"{says} {error.check.name}"))
    shows = [column] if column else [name for name in frame.columns if name in words]
    values = [rows[name].tolist() for name in shows]
    for position, *cells in zip(rows.index, *values, strict=True):
        yield int(position), Breach(error.check.name, _reason(says, column, dict(zip(shows, cells, strict=True))))


def _reason(says: str, column: str | None, cells: Mapping[str, object]) -> str:
    seen = ", ".join(f"{name} = {_cell(value)}" for name, value in cells.items())
    return f"{column}: {says}; {seen}" if column else f"{says}; {seen}" if seen else says


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return "null"
    return value.isoformat() if isinstance(value, pd.Timestamp) else shown(value)
